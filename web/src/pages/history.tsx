import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, get, segment } from "../data/client.ts";
import { ofFamily, useResource } from "../data/resource.ts";
import type { ApplyResult, Plan, Revision, RevisionSummary } from "../data/types.ts";
import { go, href } from "../router.ts";
import { announce } from "../ui/announce.tsx";
import { Button } from "../ui/controls.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { authors, RevisionFeed, summary } from "../ui/feed.tsx";
import { Empty, Loaded, Page, Section } from "../ui/page.tsx";
import { Differences, PlanView } from "../ui/plan.tsx";
import { Time } from "../ui/time.tsx";

const STEP = 50;
/** The API lists no more at once. */
const MOST = 1_000;

/** Each commit of ingresses: who, when, why. */
export function HistoryPage(): JSX.Element {
  const [limit, setLimit] = useState(STEP);
  const revisions = useResource(
    `revisions ${limit}`,
    (signal) => get<readonly RevisionSummary[]>("/revisions", { limit }, signal),
    { on: ofFamily("ingress") },
  );
  return (
    <Page title="History">
      <Loaded of={revisions}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="Nothing was changed yet.">
              <p>Each change of an ingress will stand here: who made it, why, and the way back.</p>
            </Empty>
          ) : (
            <>
              <RevisionFeed revisions={list} />
              {list.length === limit && limit < MOST && (
                <p class="more">
                  <Button onClick={() => setLimit(Math.min(limit + STEP, MOST))}>Show earlier ones</Button>
                </p>
              )}
              {list.length >= MOST && (
                <p class="hint">
                  Older ones: <code>GET /revisions?before={list.at(-1)?.revision}</code>
                </p>
              )}
            </>
          )
        }
      </Loaded>
    </Page>
  );
}

/** One commit: what became different, and the way back to it. */
export function RevisionPage({ id }: { readonly id: string }): JSX.Element {
  const revision = useResource(`revision ${id}`, (signal) =>
    get<Revision>(`/revisions/${segment(id)}`, {}, signal),
  );
  const [isAsking, setAsking] = useState(false);
  return (
    <Page
      title={`Revision ${id}`}
      up={{ href: href(["history"]), label: "History" }}
      actions={
        <Button scope="ingress:write" onClick={() => setAsking(true)}>
          Roll back to this
        </Button>
      }
    >
      <Loaded of={revision}>
        {(data) => (
          <>
            <p>
              {summary(data)}, <Time at={data.at} />, by {authors(data)}
            </p>
            {data.changes.map((change) => (
              <Section
                key={change.id}
                title={`${change.name ?? change.id} ${change.op}`}
                aside={change.op !== "deleted" && <a href={href(["ingresses", change.id])}>Go to it</a>}
              >
                <Differences of={change.differences} />
                {change.op === "deleted" && (
                  <p class="hint">To bring it back, roll back to revision {data.revision - 1}.</p>
                )}
              </Section>
            ))}
          </>
        )}
      </Loaded>
      {isAsking && <Rollback revision={id} onClose={() => setAsking(false)} />}
    </Page>
  );
}

function Rollback({
  revision,
  onClose,
}: {
  readonly revision: string;
  readonly onClose: () => void;
}): JSX.Element {
  const path = `/revisions/${segment(revision)}/rollback`;
  const plan = useResource(
    `rollback ${revision}`,
    async (signal) => (await call<Plan>("POST", path, { query: { dry_run: "true" }, signal })).data,
  );
  const rollBack = async (): Promise<void> => {
    try {
      // What was planned, and nothing else: a change that came meanwhile is not taken back unseen.
      const { data } = await call<ApplyResult>("POST", path, { ifMatch: `"${plan.data?.revision}"` });
      announce(`Rolled back: revision ${data.revision}.`);
      go(href(["history"]));
    } catch (thrown) {
      plan.reload();
      throw thrown;
    }
  };
  const blocked =
    plan.data === undefined
      ? "The plan is still being made."
      : !plan.data.accepted
        ? "The plan is refused."
        : plan.data.changes.length === 0
          ? "Nothing would change."
          : undefined;
  return (
    <Dialog
      title={`Make all ingresses what they were at revision ${revision}?`}
      submit="Roll back"
      blocked={blocked}
      onSubmit={rollBack}
      onClose={onClose}
    >
      {() => <Loaded of={plan}>{(data) => <PlanView plan={data} />}</Loaded>}
    </Dialog>
  );
}
