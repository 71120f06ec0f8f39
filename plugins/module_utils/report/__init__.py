"""The page that shows a deployment: what it is made of, and how it is drawn."""
