"""Lessons: a course of steps whose checks look at the runs and drawings of the store, and the glossary.

To add a lesson, write a file like the others and add its name to `NAMES` in `core/lessons/lesson.py`.
"""
