#!/usr/bin/env python3
"""Adds a knowledge graph to a database exactly as GraphiTi does: through graphiti-core's own
indexes and its own node and edge classes, with given embeddings, so without any model or key.

    graphiti_graph.py URI [--entities N] [--episodes N] [--edges N] [--seed N]

GraphiTi works on Neo4j 5.26 and later.
"""

import asyncio
import datetime
import logging
import math
import os
import time

os.environ.setdefault("GRAPHITI_TELEMETRY_ENABLED", "false")

from graphiti_core.driver.neo4j_driver import Neo4jDriver  # noqa: E402
from graphiti_core.edges import EntityEdge, EpisodicEdge  # noqa: E402
from graphiti_core.nodes import CommunityNode, EntityNode, EpisodeType, EpisodicNode  # noqa: E402

from common import Server, Source, arguments, password  # noqa: E402

DIMENSIONS = 1024
PARALLEL = 8


class Maker:
    """Nodes and edges of graphiti-core, all of them from the seed."""

    def __init__(self, seed):
        self.source = Source(seed)

    def embedding(self):
        values = [self.source.random.gauss(0, 1) for _ in range(DIMENSIONS)]
        length = math.sqrt(sum(value * value for value in values))
        return [value / length for value in values]

    def moment(self):
        offset = self.source.random.randrange(300 * 86400 * 1000)
        start = datetime.datetime(2025, 1, 1, tzinfo=datetime.timezone.utc)
        return start + datetime.timedelta(milliseconds=offset)

    def group(self):
        return "group-%d" % self.source.random.randrange(5)

    def entity(self):
        source = self.source
        return EntityNode(
            uuid=source.uuid(),
            name=source.text(2),
            group_id=self.group(),
            labels=[source.random.choice(["Person", "Organization", "Topic"])],
            created_at=self.moment(),
            summary=source.text(source.random.randrange(20, 80)),
            name_embedding=self.embedding(),
            attributes={"confidence": source.random.random(), "mentions": 3},
        )

    def episode(self, edges):
        source = self.source
        return EpisodicNode(
            uuid=source.uuid(),
            name=source.text(3),
            group_id=self.group(),
            source=EpisodeType.message,
            source_description="chat",
            content='user: %s\nassistant: it\'s "ok"; done\\n' % source.text(100),
            entity_edges=edges,
            created_at=self.moment(),
            valid_at=self.moment(),
        )

    def community(self):
        source = self.source
        return CommunityNode(
            uuid=source.uuid(),
            name=source.text(2),
            group_id=self.group(),
            created_at=self.moment(),
            summary=source.text(30),
            name_embedding=self.embedding(),
        )

    def fact(self, entities, episodes):
        source = self.source
        ends = source.random.sample(entities, 2)
        return EntityEdge(
            uuid=source.uuid(),
            group_id=self.group(),
            source_node_uuid=ends[0].uuid,
            target_node_uuid=ends[1].uuid,
            created_at=self.moment(),
            name=source.random.choice(["WORKS_FOR", "PREFERS", "KNOWS"]),
            fact=source.text(source.random.randrange(8, 25)),
            fact_embedding=self.embedding(),
            episodes=[source.random.choice(episodes).uuid],
            valid_at=self.moment(),
        )

    def mention(self, entities, episodes):
        source = self.source
        return EpisodicEdge(
            uuid=source.uuid(),
            group_id=self.group(),
            source_node_uuid=source.random.choice(episodes).uuid,
            target_node_uuid=source.random.choice(entities).uuid,
            created_at=self.moment(),
        )


async def save_all(driver, items):
    gate = asyncio.Semaphore(PARALLEL)

    async def save(item):
        async with gate:
            await item.save(driver)

    await asyncio.gather(*(save(item) for item in items))


async def fill(options):
    maker = Maker(options.seed)
    driver = Neo4jDriver(options.uri, "neo4j", password())
    await driver.build_indices_and_constraints()
    entities = [maker.entity() for _ in range(options.entities)]
    episodes = [maker.episode([]) for _ in range(options.episodes)]
    facts = [maker.fact(entities, episodes) for _ in range(options.edges)]
    for fact in facts:
        next(e for e in episodes if e.uuid == fact.episodes[0]).entity_edges.append(fact.uuid)
    mentions = [maker.mention(entities, episodes) for _ in range(2 * options.episodes)]
    await save_all(driver, entities + episodes + [maker.community() for _ in range(3)])
    await save_all(driver, facts + mentions)
    await driver.close()


def main():
    parser = arguments("Adds a graph of graphiti-core to a Neo4j database.")
    parser.add_argument("--entities", type=int, default=120)
    parser.add_argument("--episodes", type=int, default=30)
    parser.add_argument("--edges", type=int, default=200)
    options = parser.parse_args()
    started = time.monotonic()
    # the driver builds its indexes as soon as it is made, and says so when asked again
    for name in ("neo4j", "graphiti_core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    asyncio.run(fill(options))
    server = Server(options.uri)
    server.run("CALL db.awaitIndexes(300)")
    print("GraphiTi graph: %s in %.1f s" % (server.counts(), time.monotonic() - started))


if __name__ == "__main__":
    main()
