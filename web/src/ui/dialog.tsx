import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiError } from "../data/client.ts";
import { Button } from "./controls.tsx";
import { Failure } from "./page.tsx";

interface DialogProps {
  readonly title: string;
  /** What the button says that does it. */
  readonly submit: string;
  /** What the other one says. Default: Cancel. */
  readonly leave?: string;
  /** It destroys. */
  readonly isDanger?: boolean;
  /** Why it cannot be done now. */
  readonly blocked?: string | undefined;
  /** Does it; the dialog closes when it is done. What it throws is shown. */
  readonly onSubmit: () => Promise<unknown>;
  readonly onClose: () => void;
  /** Drawn with what was wrong with a field when it was tried last. */
  readonly children: (problemOf: (field: string) => string | undefined) => ComponentChildren;
}

/** A modal dialog that does something; Escape closes it, and the focus goes back to where it was. */
export function Dialog({
  title,
  submit,
  leave = "Cancel",
  isDanger = false,
  blocked,
  onSubmit,
  onClose,
  children,
}: DialogProps): JSX.Element {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => before instanceof HTMLElement && before.focus();
  }, []);
  const [error, setError] = useState<ApiError>();
  const [isBusy, setBusy] = useState(false);
  const run = async (): Promise<void> => {
    setBusy(true);
    try {
      await onSubmit();
      onClose();
    } catch (thrown) {
      if (!(thrown instanceof ApiError)) throw thrown;
      setError(thrown);
    } finally {
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        <div class="dialog-head">
          <h2 id={id}>{title}</h2>
          <Button icon="close" kind="plain" label="Close" onClick={onClose} />
        </div>
        <div class="dialog-body">
          {children((field) => error?.details.find((one) => one.field === field)?.message)}
          {error && <Failure error={error} />}
        </div>
        <div class="dialog-actions">
          <Button onClick={onClose}>{leave}</Button>
          <Button type="submit" kind={isDanger ? "danger" : "primary"} busy={isBusy} blocked={blocked}>
            {submit}
          </Button>
        </div>
      </form>
    </dialog>
  );
}
