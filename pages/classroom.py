"""The page Classroom: opens a lesson to pupils' phones, asks them to draw, and shows what the models make of it."""

from ui.classroom import panel

panel.panel()
