"""Genomes of genetic programming: one strongly typed tree that is read from either side of the book.

The tree gives the distance of the bid. The ask's is the same tree in the mirror: what was bid is ask, and what had a
sign has the other. A market that treats buyers and sellers alike has mirrored answers, so nothing is lost, nothing has
to be learned twice, and one formula holds half-spread and skew: 3 + 0.5 inventory quotes 3 ticks on both sides and
slides against the position.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
from deap import base, gp
from numpy.typing import NDArray

from lobenv.roles.maker.observation import FIELDS
from policies.expression import FLAGS, LIMIT, OPERATORS, Formula, type_of
from train.genetic.species import rounded
from train.shared.mirrored_observation import SIGNED, other_side

CONSTANT_SHARE = 0.25  # of the leaves drawn
SMALLEST_CONSTANT, LARGEST_CONSTANT = 0.01, 20.0
PERTURBATION = 0.3  # relative standard deviation of a mutated constant
INITIAL_HEIGHTS = (1, 4)
GRAFT_HEIGHTS = (0, 2)
# Powers of ten between which the first rules' numbers are drawn: quotes of 2 to 5 ticks that slide by 0.1 to 2 ticks
# a lot, widen by 0.1 to 3 ticks for a unit of volatility, and lean by 0.1 to 1 tick on a unit of a signal.
RULE_DECADES = ((0.3, 0.7), (-1.0, 0.3), (-1.0, 0.5))
LEAN_DECADES = (-1.0, 0.0)


class TreeFitness(base.Fitness):
    """Mean, tail and robustness to be large, size to be small."""

    weights = (1.0, 1.0, 1.0, -1.0)


class Tree(gp.PrimitiveTree):
    """A formula of the bid's distance.

    Attributes:
        fitness: What it has scored.
        played: (M, L, n, 2) scores of every episode that it has played; None for a newcomer.
    """

    def __init__(self, content: Any) -> None:
        """A tree of DEAP's nodes that has not been scored."""
        super().__init__(content)
        self.fitness = TreeFitness()
        self.played: NDArray[np.float64] | None = None


def mirrored(formula: Formula) -> list[str | float]:
    """The formula as it reads on the other side of the book: bid for ask, and the other sign."""
    mirror: list[str | float] = []
    for token in formula:
        if not isinstance(token, str) or token in OPERATORS:
            mirror.append(token)
        elif token in SIGNED:
            mirror += ["neg", token]
        else:
            mirror.append(other_side(token))
    return mirror


def draw_constant() -> float:
    """A constant of any sign and order of magnitude."""
    size = SMALLEST_CONSTANT * (LARGEST_CONSTANT / SMALLEST_CONSTANT) ** random.random()
    return rounded(random.choice((-1.0, 1.0)) * size)


def primitive_set(fields: Sequence[str]) -> gp.PrimitiveSetTyped:
    """The operators, the fields and the constants that trees are made of.

    Args:
        fields: Names of the fields that trees may use; the flags are added where there is none, as conditions need one.
    """
    names = [*fields, *(sorted(FLAGS) if not FLAGS & set(fields) else ())]
    primitives = gp.PrimitiveSetTyped("distance", [bool if name in FLAGS else float for name in names], float)
    primitives.renameArguments(**{f"ARG{i}": name for i, name in enumerate(names)})
    for name, operator in OPERATORS.items():
        primitives.addPrimitive(operator.python, list(operator.arguments), operator.result, name)
    # DEAP draws leaves evenly, and one kind of constant beside 32 fields would hardly ever be drawn.
    numbers = len([name for name in names if name not in FLAGS])
    for i in range(max(round(numbers * CONSTANT_SHARE / (1.0 - CONSTANT_SHARE)), 1)):
        primitives.addEphemeralConstant(f"constant_{i}", partial(draw_constant), float)
    return primitives


class TreeSpecies:
    """Trees over chosen fields up to a height.

    Attributes:
        primitives: What they are made of.
    """

    objectives = ("risk_adjusted_pnl", "cvar", "worst_latency", "size")

    def __init__(self, fields: Sequence[str], height: int) -> None:
        """Set what trees consist of.

        Args:
            fields: Names of the fields that they may use; all if empty.
            height: Largest height.
        """
        self.primitives = primitive_set(fields or [field.name for field in FIELDS])
        limit = gp.staticLimit(attrgetter("height"), height)
        self._exchange = limit(_exchange_subtrees)
        graft = partial(gp.genHalfAndHalf, min_=GRAFT_HEIGHTS[0], max_=GRAFT_HEIGHTS[1])
        self._mutations = [
            limit(mutation)
            for mutation in (
                _perturb_constant,
                partial(gp.mutUniform, expr=graft, pset=self.primitives),
                partial(gp.mutNodeReplacement, pset=self.primitives),
                partial(gp.mutInsert, pset=self.primitives),
                gp.mutShrink,
            )
        ]
        self._weights = (0.4, 0.2, 0.15, 0.1, 0.15)

    def initial(self, count: int) -> list[Tree]:
        """In turn: a rule with drawn parameters, one that leans on signals, one plus a drawn term, and any tree."""
        makers = (self._rule, self._leaning_rule, self._grafted_rule, self._leaning_rule, self._random)
        return [makers[i % len(makers)]() for i in range(count)]

    def children(self, mother: Tree, father: Tree) -> list[Tree]:
        """The parents with a subtree of each in the other's place."""
        return [Tree(child) for child in self._exchange(Tree(mother), Tree(father))]

    def mutant(self, parent: Tree) -> Tree:
        """The parent with a constant moved, or with a subtree or a node replaced, added or taken out."""
        (mutation,) = random.choices(self._mutations, self._weights)
        return Tree(mutation(Tree(parent))[0])

    def to_json(self, individual: Tree) -> list[str | float]:
        """The tree as a prefix list."""
        return [node.name if isinstance(node, gp.Primitive) else node.value for node in individual]

    def from_json(self, genome: Formula) -> Tree:
        """The tree of a prefix list.

        Raises:
            ValueError: It is no formula over these fields.
        """
        known = dict.fromkeys(self.primitives.arguments, 0)
        type_of(genome, known)
        mapping = self.primitives.mapping
        return Tree(mapping[token] if isinstance(token, str) else gp.Terminal(token, False, float) for token in genome)

    def player(self, individual: Tree) -> tuple[Formula, Formula]:
        """Formulas of the bid's and the ask's distance."""
        bid = self.to_json(individual)
        return bid, mirrored(bid)

    def size(self, individual: Tree) -> int:
        """Number of nodes."""
        return len(individual)

    def _rule(self) -> Tree:
        """A fixed spread, a spread that slides against the position, or one that also widens with volatility (GLFT)."""
        half, skew, widening = (rounded(10.0 ** random.uniform(*decades)) for decades in RULE_DECADES)
        slide = ["mul", skew, "inventory"]
        known = set(self.primitives.arguments)
        forms: list[list[str | float]] = [[half]]
        if "inventory" in known:
            forms.append(["add", half, *slide])
        if {"inventory", "volatility"} <= known:
            forms.append(["add", half, "mul", "volatility", "add", widening, *slide])
        return self.from_json(random.choice(forms))

    def _leaning_rule(self) -> Tree:
        """A rule that moves both quotes with one or two fields that tell up from down."""
        signals = [name for name in self.primitives.arguments if name in SIGNED and name != "inventory"]
        tree = self._rule()
        for name in random.sample(signals, min(random.randint(1, 2), len(signals))):
            weight = rounded(random.choice((-1.0, 1.0)) * 10.0 ** random.uniform(*LEAN_DECADES))
            tree = self._with_term(tree, weight, [self.primitives.mapping[name]])
        return tree

    def _grafted_rule(self) -> Tree:
        return self._with_term(self._rule(), draw_constant(), gp.genHalfAndHalf(self.primitives, *GRAFT_HEIGHTS))

    def _with_term(self, tree: Tree, weight: float, term: Sequence[Any]) -> Tree:
        add, mul = (self.primitives.mapping[name] for name in ("add", "mul"))
        return Tree([add, *tree, mul, gp.Terminal(weight, False, float), *term])

    def _random(self) -> Tree:
        return Tree(gp.genHalfAndHalf(self.primitives, *INITIAL_HEIGHTS))


def _exchange_subtrees(mother: Tree, father: Tree) -> tuple[Tree, Tree]:
    """Swap a subtree of each, both of one type; in place.

    DEAP's own one-point crossover draws from a set of types, whose order changes from process to process.
    """
    common = {node.ret for node in mother} & {node.ret for node in father}
    wanted = random.choice(sorted(common, key=attrgetter("__name__")))
    cuts = [
        tree.searchSubtree(random.choice([i for i, node in enumerate(tree) if node.ret is wanted]))
        for tree in (mother, father)
    ]
    mother[cuts[0]], father[cuts[1]] = father[cuts[1]], mother[cuts[0]]
    return mother, father


def _perturb_constant(tree: Tree) -> tuple[Tree]:
    """Move one of the tree's constants by a normal deviate, in place; a tree without one gets another leaf."""
    places = [i for i, node in enumerate(tree) if node.arity == 0 and isinstance(node.value, float)]
    if places:
        place = random.choice(places)
        moved = tree[place].value * (1.0 + PERTURBATION * random.gauss(0.0, 1.0))
        tree[place] = gp.Terminal(rounded(min(max(moved, -LIMIT), LIMIT)), False, float)
    return (tree,)
