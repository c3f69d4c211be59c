"""Figures as high as the place that a panel has for them."""


def high(figure, height):
    """The same figure, `height` inches high."""
    figure.set_size_inches(figure.get_figwidth(), height)
    return figure


def low(figure, height=4.0):
    """The same figure, not higher than the place in a panel."""
    return high(figure, min(height, figure.get_figheight()))
