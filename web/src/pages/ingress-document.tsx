import type { JSX } from "preact";
import type { Ingress } from "../data/types.ts";
import { href } from "../router.ts";
import { announce } from "../ui/announce.tsx";
import { Button, LinkButton } from "../ui/controls.tsx";

/** The document as the API has it. */
export function IngressDocument({ ingress }: { readonly ingress: Ingress }): JSX.Element {
  const text = JSON.stringify(ingress, null, 2);
  const copy = (): void => void navigator.clipboard.writeText(text).then(() => announce("Copied."));
  return (
    <>
      <div class="actions">
        <LinkButton href={href(["edit", ingress.id], { as: "yaml" })} scope="ingress:write">
          Edit the document
        </LinkButton>
        <Button icon="copy" onClick={copy}>
          Copy
        </Button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <pre class="document" tabIndex={0} role="region" aria-label="Document">
        {text}
      </pre>
    </>
  );
}
