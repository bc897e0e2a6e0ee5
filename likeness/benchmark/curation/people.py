"""Who is who in a collection: communities of like faces, each member checked against the rest."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

BLOCK = 2048
_SEED = 0  # of the order in which communities are searched: the same clips, the same groups


def group(
    means: np.ndarray, threshold: float, told: Sequence[str | None] | None = None
) -> np.ndarray:
    """Group clips by person.

    Clips whose mean embeddings are at least ``threshold`` alike are linked; each connected part
    is divided into communities (Louvain: Blondel et al. 2008, weights the cosines), so that one
    false link does not join two people as it would by single link. Each member is then held
    against the centroid of the others, their mean embedding at its own length: where its product
    with that, its mean cosine to them, is below the threshold, it leaves, the worst first. Those
    who left are grouped among themselves in the same way.

    Args:
        means: (N, D) unit rows, one a clip.
        threshold: of the cosine.
        told: who is shown, where somebody says so; clips of two names are never linked, however
            like their faces, and a name alone links nobody.

    Returns:
        (N,) number of each clip's person, counted from 0 in the order of first appearance.

    """
    links = _links(means, threshold, told or [None] * len(means))
    found = np.full(len(means), -1)
    left, next_one = list(range(len(means))), 0
    while left:
        parts = _communities(left, links)
        left = []
        for part in parts:
            kept, gone = _checked(part, means, threshold)
            found[kept] = next_one
            next_one += 1
            left += gone
    order = {number: place for place, number in enumerate(dict.fromkeys(found.tolist()))}
    return np.array([order[number] for number in found.tolist()], int)


def _links(
    means: np.ndarray, threshold: float, told: Sequence[str | None]
) -> dict[tuple[int, int], float]:
    """Cosines of at least ``threshold`` by pair of clips that may be one person's."""
    links = {}
    for i in range(0, len(means), BLOCK):
        for j in range(i, len(means), BLOCK):
            cosines = means[i : i + BLOCK] @ means[j : j + BLOCK].T
            for a, b in np.argwhere(cosines >= threshold).tolist():
                one, two = i + a, j + b
                apart = told[one] and told[two] and told[one] != told[two]
                if one < two and not apart:
                    links[one, two] = float(cosines[a, b])
    return links


def _communities(members: Sequence[int], links: dict[tuple[int, int], float]) -> list[list[int]]:
    """Divide clips into communities, within each connected part by itself.

    By itself, because modularity joins small groups of a large graph by a single link, and less so
    the smaller the graph (its resolution limit).
    """
    import networkx as nx

    inside = set(members)
    graph = nx.Graph()
    graph.add_nodes_from(members)
    graph.add_weighted_edges_from(
        (a, b, w) for (a, b), w in links.items() if a in inside and b in inside
    )
    found = []
    for part in nx.connected_components(graph):
        if len(part) <= 2:
            found.append(sorted(part))
            continue
        whole = nx.Graph()
        whole.add_nodes_from(sorted(part))
        whole.add_weighted_edges_from(
            (a, b, graph[a][b]["weight"])
            for a, b in sorted(map(sorted, graph.subgraph(part).edges))
        )
        found += [sorted(c) for c in nx.community.louvain_communities(whole, seed=_SEED)]
    return sorted(found)


def _checked(part: list[int], means: np.ndarray, threshold: float) -> tuple[list[int], list[int]]:
    """Hold each member against the centroid of the others: who stays, and who leaves."""
    kept, gone = list(part), []
    while len(kept) > 1:
        rows = means[kept]
        others = (rows.sum(0) - rows) / (len(rows) - 1)
        alike = (rows * others).sum(1)
        worst = int(alike.argmin())
        if alike[worst] >= threshold:
            break
        gone.append(kept.pop(worst))
    return kept, sorted(gone)


def named(groups: Sequence[int], told: Sequence[str | None], names: Sequence[str]) -> list[str]:
    """Name each clip's person: as told, or after the first clip that shows them."""
    members: dict[int, list[int]] = defaultdict(list)
    for place, number in enumerate(groups):
        members[number].append(place)
    called: dict[int, str] = {}
    taken: set[str] = set()
    for number, places in sorted(members.items(), key=lambda item: -len(item[1])):
        said = next((name for p in places if (name := told[p])), None)
        if said is None or said in taken:
            # a name that the faces do not bear out: these are not that person
            said = f"like {names[min(places)]}"
        taken.add(said)
        called[number] = said
    return [called[number] for number in groups]
