"""Pictures that the browser draws itself: their data in Python, and a JavaScript file for each kind."""
