"""Reports over what has happened. Nothing here changes anything."""
