"""The figures of a report, each a function of the study that returns a `matplotlib.figure.Figure`."""

from idfit.reporting.figures.catalogue import Drawing, drawings, save_figures
from idfit.reporting.figures.fit import fit_pages, plot_fit
from idfit.reporting.figures.parameters import plot_parameters
from idfit.reporting.figures.residuals import plot_residual_distribution, plot_residuals
from idfit.reporting.figures.waterfall import plot_waterfall

__all__ = [
    "Drawing",
    "drawings",
    "fit_pages",
    "plot_fit",
    "plot_parameters",
    "plot_residual_distribution",
    "plot_residuals",
    "plot_waterfall",
    "save_figures",
]
