"""The screen: each folder and file serves the page that it is named after; the other files serve several pages."""
