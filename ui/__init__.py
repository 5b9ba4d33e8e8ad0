"""What the pages share: the words, the charts, the frame around each page and what one server holds."""
