"""A lesson with a class: the pupils' server and their page, and the teacher's page."""
