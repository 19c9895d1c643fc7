"""The report of runs: one HTML page that holds all it shows and loads nothing.

A section of the page is a module here, whose function `section` makes of the runs the data that a
JavaScript file of the folder `template` shows.
"""
