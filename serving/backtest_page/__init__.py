"""The page of a backtest: one file that needs nothing beside itself."""

from serving.backtest_page.page import page

__all__ = ["page"]
