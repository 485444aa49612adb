import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, get, segment } from "../data/client.ts";
import { useResource } from "../data/resource.ts";
import type { Ingress, Plan, Revision, RevisionChange, RevisionSummary } from "../data/types.ts";
import { href } from "../router.ts";
import { announce } from "../ui/announce.tsx";
import { Button } from "../ui/controls.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { authors } from "../ui/feed.tsx";
import { Empty, Loaded } from "../ui/page.tsx";
import { Differences, PlanView } from "../ui/plan.tsx";
import { Time } from "../ui/time.tsx";
import type { Versioned } from "./ingress.tsx";

interface Version {
  readonly revision: Revision;
  readonly change: RevisionChange;
}

/** Revisions that are looked through for the ingress. */
const LOOKED_THROUGH = 500;
const MOST_SHOWN = 20;

async function versionsOf(id: string, signal: AbortSignal): Promise<readonly Version[]> {
  const all = await get<readonly RevisionSummary[]>("/revisions", { limit: LOOKED_THROUGH }, signal);
  const mine = all.filter(({ changes }) => changes.some((change) => change.id === id)).slice(0, MOST_SHOWN);
  const revisions = await Promise.all(
    mine.map(({ revision }) => get<Revision>(`/revisions/${revision}`, {}, signal)),
  );
  return revisions.flatMap((revision) =>
    revision.changes.filter((change) => change.id === id).map((change) => ({ revision, change })),
  );
}

/** What became of this ingress, and the way back to what it was. */
export function IngressHistory({ ingress, etag }: Versioned): JSX.Element {
  const versions = useResource(`versions ${ingress.id}`, (signal) => versionsOf(ingress.id, signal), {
    on: (event) => event.ingress?.id === ingress.id,
  });
  const [wanted, setWanted] = useState<Version>();
  return (
    <>
      <Loaded of={versions}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No revision of it is kept among the last ones.">
              <p>
                Older ones are in the <a href={href(["history"])}>history of all ingresses</a>.
              </p>
            </Empty>
          ) : (
            <ol class="versions">
              {list.map((version, index) => (
                <li key={version.revision.revision}>
                  <div class="section-head">
                    <h2>
                      <a href={href(["history", String(version.revision.revision)])}>
                        Revision {version.revision.revision}
                      </a>
                      : {version.change.op} <Time at={version.revision.at} />
                    </h2>
                    {index > 0 && version.change.after !== undefined && (
                      <Button scope="ingress:write" onClick={() => setWanted(version)}>
                        Bring this version back
                      </Button>
                    )}
                  </div>
                  <p class="hint">{authors(version.revision)}</p>
                  <Differences of={version.change.differences} />
                </li>
              ))}
            </ol>
          )
        }
      </Loaded>
      {wanted?.change.after !== undefined && (
        <BringBack
          version={wanted}
          wanted={wanted.change.after}
          ingress={ingress}
          etag={etag}
          onClose={() => setWanted(undefined)}
        />
      )}
    </>
  );
}

interface BringBackProps extends Versioned {
  readonly version: Version;
  readonly wanted: Ingress;
  readonly onClose: () => void;
}

function BringBack({ version, wanted, ingress, etag, onClose }: BringBackProps): JSX.Element {
  const number = version.revision.revision;
  const plan = useResource(`back ${ingress.id} ${number} ${etag}`, async (signal) => {
    const body = { replace: { id: ingress.id, ingress: wanted } };
    return (await call<Plan>("POST", "/plan", { body, signal })).data;
  });
  const bring = async (): Promise<void> => {
    const query = { message: `back to revision ${number}` };
    await call("PUT", `/ingresses/${segment(ingress.id)}`, { body: wanted, ifMatch: etag, query });
    announce(`${ingress.name} is what it was at revision ${number}.`);
  };
  const blocked = plan.data?.accepted === true ? undefined : "There is no accepted plan.";
  return (
    <Dialog
      title={`Bring ${ingress.name} of revision ${number} back?`}
      submit="Bring it back"
      blocked={blocked}
      onSubmit={bring}
      onClose={onClose}
    >
      {() => <Loaded of={plan}>{(data) => <PlanView plan={data} />}</Loaded>}
    </Dialog>
  );
}
