import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, get, segment } from "../data/client.ts";
import { ofFamily, useResource } from "../data/resource.ts";
import type { Certificate } from "../data/types.ts";
import { plural } from "../format.ts";
import { go, href } from "../router.ts";
import { announce } from "../ui/announce.tsx";
import { Button } from "../ui/controls.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Loaded, Page } from "../ui/page.tsx";
import { Notice } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";
import { CertificateState, Expiry } from "./certificate-parts.tsx";

/** One certificate, with what its authority said. */
export function CertificatePage({ id }: { readonly id: string }): JSX.Element {
  const certificate = useResource(
    `certificate ${id}`,
    (signal) => get<Certificate>(`/certificates/${segment(id)}`, {}, signal),
    { on: ofFamily("certificate", "ingress"), everyMs: 30_000 },
  );
  const { data } = certificate;
  return (
    <Page
      title={data?.name ?? data?.names[0] ?? id}
      up={{ href: href(["certificates"]), label: "Certificates" }}
      actions={data?.source === "imported" && <Deletion certificate={data} />}
    >
      <Loaded of={certificate}>
        {(one) => (
          <>
            {one.error !== undefined && (
              <Notice
                tone={one.state === "failed" ? "bad" : "warn"}
                title={`${plural(one.error.failures, "order")} failed in a row`}
              >
                <p>{one.error.message}</p>
                <p class="hint">
                  <Time at={one.error.at} />; it is tried again by itself
                </p>
              </Notice>
            )}
            <Facts certificate={one} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Facts({ certificate }: { readonly certificate: Certificate }): JSX.Element {
  const { names, source, issuer, serial, used_by: used, not_before: begin, renews_at: renews } = certificate;
  return (
    <dl class="facts">
      <dt>State</dt>
      <dd>
        <CertificateState certificate={certificate} />
      </dd>
      <dt>Names</dt>
      <dd class="mono">{names.join(", ")}</dd>
      <dt>Valid</dt>
      <dd>
        <Expiry certificate={certificate} />
        {begin !== undefined && (
          <>
            , since <Time at={begin} />
          </>
        )}
      </dd>
      {renews !== undefined && (
        <>
          <dt>Renewed</dt>
          <dd>
            <Time at={renews} />
          </dd>
        </>
      )}
      <dt>Source</dt>
      <dd>{source === "imported" ? "imported: import the next one under the same name" : source}</dd>
      {issuer !== undefined && (
        <>
          <dt>Signed by</dt>
          <dd>{issuer}</dd>
        </>
      )}
      {serial !== undefined && (
        <>
          <dt>Serial</dt>
          <dd class="mono">{serial}</dd>
        </>
      )}
      <dt>Used by</dt>
      <dd>
        {used === 0 ? "no rule" : plural(used, "rule")}
        {used > 0 && names[0] !== undefined && (
          <>
            : <a href={href(["ingresses"], { q: names[0].replace(/^\*\./, "") })}>show the ingresses</a>
          </>
        )}
      </dd>
    </dl>
  );
}

function Deletion({
  certificate: { id, name, used_by: used },
}: {
  readonly certificate: Certificate;
}): JSX.Element {
  const [isAsking, setAsking] = useState(false);
  const remove = async (): Promise<void> => {
    await call("DELETE", `/certificates/${segment(id)}`);
    announce(`The certificate ${name ?? id} was deleted.`);
    go(href(["certificates"]));
  };
  return (
    <>
      <Button
        kind="danger"
        scope="certificate:write"
        blocked={used > 0 ? "Rules use it." : undefined}
        onClick={() => setAsking(true)}
      >
        Delete
      </Button>
      {isAsking && (
        <Dialog
          title={`Delete the certificate ${name ?? id}?`}
          submit="Delete"
          leave="Keep it"
          isDanger
          onSubmit={remove}
          onClose={() => setAsking(false)}
        >
          {() => <p>Its key is deleted too, and cannot be had back from here.</p>}
        </Dialog>
      )}
    </>
  );
}
