"""Reports that leave the house: the page for a board, and the page for a customer's review."""

from serving.reports.board import board
from serving.reports.board_page import board_page
from serving.reports.printing import browser, pdf
from serving.reports.value import value
from serving.reports.value_page import value_page

__all__ = ["board", "board_page", "browser", "pdf", "value", "value_page"]
