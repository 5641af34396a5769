"""One module a page, with one `show()` each."""
