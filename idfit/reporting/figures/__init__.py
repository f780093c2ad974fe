"""The figures of a report, each a function of the study that returns a `matplotlib.figure.Figure`."""

from idfit.reporting.figures.agreement import plot_agreement
from idfit.reporting.figures.bootstrap import plot_bootstrap
from idfit.reporting.figures.catalogue import Drawing, drawings, save_figures
from idfit.reporting.figures.chains import plot_autocorrelation, plot_chains
from idfit.reporting.figures.change import plot_change
from idfit.reporting.figures.corner import plot_corner
from idfit.reporting.figures.correlation import plot_correlation
from idfit.reporting.figures.fit import fit_pages, plot_fit
from idfit.reporting.figures.marginals import plot_marginals
from idfit.reporting.figures.pairs import plot_pairs
from idfit.reporting.figures.parameters import plot_parameters
from idfit.reporting.figures.profiles import plot_profiles, profile_pages
from idfit.reporting.figures.residuals import plot_residual_distribution, plot_residuals
from idfit.reporting.figures.spectrum import plot_spectrum
from idfit.reporting.figures.waterfall import plot_waterfall

__all__ = [
    "Drawing",
    "drawings",
    "fit_pages",
    "plot_agreement",
    "plot_autocorrelation",
    "plot_bootstrap",
    "plot_chains",
    "plot_change",
    "plot_corner",
    "plot_correlation",
    "plot_fit",
    "plot_marginals",
    "plot_pairs",
    "plot_parameters",
    "plot_profiles",
    "plot_residual_distribution",
    "plot_residuals",
    "plot_spectrum",
    "plot_waterfall",
    "profile_pages",
    "save_figures",
]
