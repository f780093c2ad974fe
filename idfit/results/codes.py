"""What became of an evaluation, a start, a side of a profile, a parameter: codes, each with its sentence."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """A code with a name for tables (`label`) and a sentence for readers (`sentence`)."""

    sentence: str

    def __new__(cls, value: int, sentence: str):
        member = int.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    @property
    def label(self) -> str:
        return self.name.lower()


class Status(Code):
    """The fate of an evaluation (0, 10 and above) or of a start (all), with a sentence and a remedy each.

    >>> Status(1).label, Status(1).sentence
    ('converged', 'The projected gradient is small: a local optimum was reached.')
    """

    OK = 0, "The evaluation succeeded."
    CONVERGED = 1, "The projected gradient is small: a local optimum was reached."
    STALLED = (
        2,
        "No further decrease was possible, yet the gradient is not small; tighten rtol, or rescale.",
    )
    MAX_ITERATIONS = 3, "The iteration limit was reached before convergence; allow more iterations."
    INTERRUPTED = 5, "Stopped by the user before the end; resume the run."
    STEP_BUDGET = (
        10,
        "The step budget was used up; see whether the model oscillates fast there, or loosen rtol.",
    )
    STEP_TOO_SMALL = (
        11,
        "The step size vanished as in a blow-up or jump; narrow the bounds, or state the jump's time.",
    )
    NOT_FINITE = (
        12,
        "The right-hand side was not finite; look for divisions by zero, logs, powers of negatives.",
    )
    SINGULAR = (
        13,
        "A linear system of the integrator was singular; look for states that no equation determines.",
    )
    LOG_NONPOSITIVE = (
        14,
        "A prediction under a logarithm was not positive; add an offset, or fit it untransformed.",
    )
    NOISE_NONPOSITIVE = 15, "A noise level was zero or negative; give its parameter a positive lower bound."
    BAD_GRADIENT = (
        16,
        "The gradient was not finite although the objective was; look for roots and powers at zero.",
    )
    OBSERVABLE_NOT_FINITE = 17, "An observable was not finite; look for divisions by zero in its formula."
    OUT_OF_BOUNDS = 18, "A parameter left its bounds; only values within the bounds can be evaluated."
    WORKER_LOST = (
        19,
        "The task ended with an unexpected error or its worker was lost; the log has the reason.",
    )
    INITIAL_NOT_FINITE = 20, "An initial value was not finite; look at its formula."
    NO_STEADY_STATE = (
        21,
        "The states did not settle; see whether they grow or oscillate, or give a finite late time.",
    )
    EVENTS_WITHOUT_END = (
        22,
        "Events or switches followed each other without end; see whether two conditions undo each other.",
    )
    NOT_REACHED = 30, "Not computed; resume the run to compute it."

    @property
    def usable(self) -> bool:
        """Whether there is a value to report: a start that arrived somewhere, or an evaluation."""
        return self in (Status.OK, Status.CONVERGED, Status.STALLED, Status.MAX_ITERATIONS)


class BoundSide(Code):
    """Where an estimate stands in its interval of allowed values."""

    LOWER_BOUND = -1, "The estimate stands at its lower bound."
    INSIDE = 0, "The estimate lies between its bounds."
    UPPER_BOUND = 1, "The estimate stands at its upper bound."


class SideStatus(Code):
    """How one side of a profile ended, for one confidence level.

    >>> SideStatus.CROSSED.label, SideStatus.DOMAIN_BOUND.finite
    ('crossed', True)
    """

    CROSSED = 1, "The profile crossed the threshold: the limit is finite."
    SEARCH_BOUND = 2, "The threshold was not crossed before the search bound: this side is open."
    DOMAIN_BOUND = (
        3,
        "The threshold was not crossed before a natural limit of the parameter, where the interval ends.",
    )
    BUDGET = 4, "The budget of steps was used up before the threshold was crossed; allow more steps."
    FAILED = 5, "The profile could not be followed; the statuses of its steps say why."
    PARTNER_BOUND = (
        6,
        "The profile is flat until another parameter stands at its search bound: this side is open, and what "
        "rises beyond is due to that bound.",
    )
    NOT_REACHED = 30, "Not computed; resume the run to compute it."

    @property
    def finite(self) -> bool:
        """Whether the interval has a finite end on this side."""
        return self in (SideStatus.CROSSED, SideStatus.DOMAIN_BOUND)


class Verdict(Code):
    """What the data determine of one quantity, at the confidence level of the verdict."""

    IDENTIFIABLE = 1, "identifiable: the interval is finite on both sides"
    OPEN_BELOW = 2, "practically non-identifiable: no lower limit within what was searched"
    OPEN_ABOVE = 3, "practically non-identifiable: no upper limit within what was searched"
    OPEN_BOTH = 4, "practically non-identifiable: neither a lower nor an upper limit within what was searched"
    FLAT = 5, "flat: the data say nothing about it over the range searched"
    AT_DOMAIN_BOUND = 6, "identifiable: the interval ends at a natural limit of the parameter on one side"
    STRUCTURAL = 7, "structurally non-identifiable: the equations show that no such data can determine it"
    UNDETERMINED = 8, "undetermined: the computation does not support a verdict"
    NOT_REACHED = 30, "not computed"

    @property
    def is_identifiable(self) -> bool:
        return self in (Verdict.IDENTIFIABLE, Verdict.AT_DOMAIN_BOUND)

    @property
    def is_open(self) -> bool:
        return self in (
            Verdict.OPEN_BELOW, Verdict.OPEN_ABOVE, Verdict.OPEN_BOTH, Verdict.FLAT, Verdict.STRUCTURAL,
        )  # fmt: skip


class StructuralVerdict(Code):
    """What ideal data of the kind in question determine of one quantity, by the equations alone."""

    GLOBAL = 1, "structurally globally identifiable: ideal data determine it uniquely"
    LOCAL = 2, "structurally locally identifiable: ideal data leave several separate values"
    AT_LEAST_LOCAL = 3, "structurally locally identifiable; whether other separate values exist is undecided"
    NONIDENTIFIABLE = 4, "structurally non-identifiable: no such data can determine it"
    UNDETERMINED = 5, "undetermined: the analysis cannot decide"
    NOT_REACHED = 30, "not computed"

    @property
    def is_identifiable(self) -> bool:
        return self in (StructuralVerdict.GLOBAL, StructuralVerdict.LOCAL, StructuralVerdict.AT_LEAST_LOCAL)


class Agreement(Code):
    """Whether the intervals of one parameter by different methods tell the same story."""

    AGREE = 1, "The methods agree."
    DISAGREE = 2, "The methods disagree; the likely cause stands beside it."
    NOT_COMPARABLE = 3, "Fewer than two methods give an interval."


class Limit(Code):
    """What ends an interval of a posterior on one side."""

    DATA = 1, "The data: they carry most of the information about the parameter."
    BOUND = 2, "The bound of the parameter: the density is still high there."
    DOMAIN = 3, "The natural limit of the parameter: the density is still high there."
    PRIOR = 4, "Priors: the data carry less than half of the information about the parameter."
    OTHER_BOUNDS = (
        5,
        "The bounds of other parameters, which compensate for this one: the data carry less than half of the "
        "information about it.",
    )
    UNDETERMINED = 30, "Not known, as the chains have not converged."
