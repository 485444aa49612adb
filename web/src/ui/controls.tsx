import type { ComponentChildren, JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { refusal, session } from "../data/session.ts";
import { useStore } from "../data/store.ts";
import type { Scope } from "../data/types.ts";
import { announce } from "./announce.tsx";
import { Icon, type IconName } from "./icons.tsx";

interface ButtonProps {
  readonly onClick?: () => void;
  readonly type?: "button" | "submit";
  readonly kind?: "primary" | "danger" | "plain";
  readonly icon?: IconName;
  /** What it takes: without it the button is greyed out, and says why. */
  readonly scope?: Scope;
  /** Why it cannot be used now. */
  readonly blocked?: string | undefined;
  readonly busy?: boolean;
  readonly children?: ComponentChildren;
  readonly label?: string;
  readonly pressed?: boolean;
}

/** A button. One that may not be used stays in the way of the keyboard, and tells the reason. */
export function Button({
  onClick,
  type = "button",
  kind,
  icon,
  scope,
  blocked,
  busy,
  children,
  label,
  pressed,
}: ButtonProps): JSX.Element {
  const id = useId();
  const who = useStore(session);
  const reason = (scope === undefined ? undefined : refusal(scope, who)) ?? blocked;
  const isOff = reason !== undefined || busy === true;
  const click = (event: MouseEvent): void => {
    if (isOff) event.preventDefault();
    else onClick?.();
    if (reason !== undefined) announce(reason);
  };
  return (
    <>
      <button
        type={type}
        class={`button ${kind ?? ""}`}
        aria-disabled={isOff}
        aria-busy={busy}
        aria-label={label}
        aria-pressed={pressed}
        aria-describedby={reason === undefined ? undefined : id}
        title={reason ?? label}
        onClick={click}
      >
        {icon && <Icon name={icon} />}
        {children}
      </button>
      {reason !== undefined && (
        <span id={id} class="hidden">
          {reason}
        </span>
      )}
    </>
  );
}

/** A link that looks like a button. */
export function LinkButton({
  href,
  kind,
  icon,
  scope,
  children,
}: {
  readonly href: string;
  readonly kind?: "primary";
  readonly icon?: IconName;
  readonly scope?: Scope;
  readonly children: ComponentChildren;
}): JSX.Element {
  const who = useStore(session);
  const reason = scope === undefined ? undefined : refusal(scope, who);
  if (reason !== undefined)
    return (
      <Button blocked={reason} {...(kind === undefined ? {} : { kind })}>
        {children}
      </Button>
    );
  return (
    <a class={`button ${kind ?? ""}`} href={href}>
      {icon && <Icon name={icon} />}
      {children}
    </a>
  );
}

interface FieldProps {
  readonly label: string;
  readonly hint?: ComponentChildren;
  readonly error?: string | undefined;
  /** Draws the control with what ties it to label, hint and error. */
  readonly children: (props: {
    readonly id: string;
    readonly "aria-describedby": string | undefined;
    readonly "aria-invalid": boolean;
  }) => ComponentChildren;
}

/** A labelled control with its hint, and what is wrong with it. */
export function Field({ label, hint, error, children }: FieldProps): JSX.Element {
  const id = useId();
  const described = [hint === undefined ? "" : `${id}-hint`, error === undefined ? "" : `${id}-error`]
    .join(" ")
    .trim();
  return (
    <div class={`field ${error === undefined ? "" : "wrong"}`}>
      <label for={id}>{label}</label>
      {children({ id, "aria-describedby": described || undefined, "aria-invalid": error !== undefined })}
      {error !== undefined && (
        <p class="field-error" id={`${id}-error`}>
          <Icon name="bad" /> {error}
        </p>
      )}
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

interface TextFieldProps extends Omit<FieldProps, "children"> {
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly type?: "text" | "password" | "number" | "search";
  readonly placeholder?: string | undefined;
  readonly list?: readonly string[];
  readonly mono?: boolean;
  readonly autocomplete?: "off" | "current-password";
}

export function TextField({
  value,
  onInput,
  type = "text",
  placeholder,
  list,
  mono,
  autocomplete = "off",
  ...field
}: TextFieldProps): JSX.Element {
  const listId = useId();
  return (
    <Field {...field}>
      {(props) => (
        <>
          <input
            {...props}
            class={mono === true ? "mono" : ""}
            // The types forbid a list of some kinds of input, whether there is one or not.
            type={type as "text"}
            value={value}
            placeholder={placeholder}
            list={list === undefined ? undefined : listId}
            autocomplete={autocomplete}
            spellcheck={false}
            onInput={(event) => onInput(event.currentTarget.value)}
          />
          {list && (
            <datalist id={listId}>
              {list.map((option) => (
                <option key={option} value={option} />
              ))}
            </datalist>
          )}
        </>
      )}
    </Field>
  );
}

export function Check({
  label,
  checked,
  onChange,
  hint,
}: {
  readonly label: string;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly hint?: string | undefined;
}): JSX.Element {
  const id = useId();
  return (
    <div class="check">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <label for={id}>{label}</label>
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** A text with a button that copies it. */
export function Copy({ text, label }: { readonly text: string; readonly label: string }): JSX.Element {
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    try {
      // There is no clipboard over plain HTTP, but from this machine.
      await navigator.clipboard.writeText(text);
      setCopied(true);
      announce("Copied.");
    } catch {
      announce("The browser does not let it be copied: select it.");
    }
  };
  return (
    <span class="copy">
      <code>{text}</code>
      <Button icon={isCopied ? "ok" : "copy"} kind="plain" label={label} onClick={() => void copy()} />
    </span>
  );
}
