"""The page Lessons, the slim line of the open lesson on the other pages, and the glossary."""
