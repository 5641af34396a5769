"""Know what your application's Claude calls do and cost."""
