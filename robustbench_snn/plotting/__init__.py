"""Pictures, drawn with matplotlib off screen: every one as PNG and SVG."""
