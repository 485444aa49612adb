import type { JSX } from "preact";
import { useId, useMemo, useRef, useState } from "preact/hooks";
import { type Place, placeInJson, placeInYaml } from "./caret-place.ts";
import { resolved, type Schema, schemaAt, typeOf } from "./schema.ts";
import type { Notation, TextProblem } from "./text-document.ts";

interface TextEditorProps {
  readonly label: string;
  readonly text: string;
  readonly notation: Notation;
  readonly schema: Schema;
  readonly problems: readonly TextProblem[];
  readonly onText: (text: string) => void;
}

interface Choice {
  readonly text: string;
  readonly description: string;
}

const LINE_PX = 20;
const MOST_OFFERED = 12;

/** A text with numbered lines, marks where something is wrong, and what the schema knows for the place of the caret. */
export function TextEditor({
  label,
  text,
  notation,
  schema,
  problems,
  onText,
}: TextEditorProps): JSX.Element {
  const id = useId();
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLDivElement>(null);
  const [offer, setOffer] = useState<{
    readonly place: Place;
    readonly choices: readonly Choice[];
    readonly at: { readonly top: number; readonly left: number };
  }>();
  const [chosen, setChosen] = useState(0);
  const lines = useMemo(() => text.split("\n").length, [text]);
  const wrong = useMemo(() => new Map(problems.map((problem) => [problem.line, problem])), [problems]);
  const look = (isWanted: boolean): void => {
    const element = area.current;
    if (element === null) return;
    const caret = element.selectionStart;
    const place = notation === "json" ? placeInJson(element.value, caret) : placeInYaml(element.value, caret);
    const choices = choicesAt(schema, place);
    const isWhole = choices.length === 1 && choices[0]?.text === place.typed;
    if (choices.length === 0 || isWhole || (!isWanted && place.typed === "")) {
      setOffer(undefined);
    } else {
      setChosen(0);
      setOffer({ place, choices, at: caretAt(element, caret) });
    }
  };
  const take = (choice: Choice | undefined): void => {
    const element = area.current;
    if (element === null || offer === undefined || choice === undefined) return;
    const { place } = offer;
    const caret = element.selectionStart;
    const isQuoted = notation === "json";
    const value =
      isQuoted && element.value[caret - place.typed.length - 1] !== '"' ? `"${choice.text}"` : choice.text;
    const after = place.isValue ? "" : isQuoted ? (element.value[caret] === '"' ? "" : ": ") : ": ";
    element.setRangeText(value + after, caret - place.typed.length, caret, "end");
    onText(element.value);
    setOffer(undefined);
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      look(true);
    } else if (offer !== undefined) {
      onOfferKey(event, offer.choices);
    } else if (event.key === "Enter") {
      event.preventDefault();
      breakLine();
    }
  };
  /** The next line begins below the last one, or below what it has begun. */
  const breakLine = (): void => {
    const element = area.current;
    if (element === null) return;
    const { selectionStart, selectionEnd, value } = element;
    const line = value.slice(value.lastIndexOf("\n", selectionStart - 1) + 1, selectionStart);
    const indent = /^ *(?:- +)*/.exec(line)?.[0].length ?? 0;
    const begun = /[:{[]\s*$/.test(line) ? 2 : 0;
    element.setRangeText(`\n${" ".repeat(indent + begun)}`, selectionStart, selectionEnd, "end");
    onText(element.value);
  };
  const onOfferKey = (event: KeyboardEvent, choices: readonly Choice[]): void => {
    const steps: { readonly [key: string]: number } = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[event.key];
    if (step !== undefined) setChosen((chosen + step + choices.length) % choices.length);
    else if (event.key === "Enter" || event.key === "Tab") take(choices[chosen]);
    else if (event.key === "Escape") setOffer(undefined);
    else return;
    event.preventDefault();
  };
  return (
    <div class="editor">
      <div class="gutter" ref={gutter} aria-hidden="true">
        {Array.from({ length: lines }, (_, index) => (
          // lines are their numbers
          <span key={index} class={wrong.has(index + 1) ? "wrong" : ""} title={wrong.get(index + 1)?.message}>
            {index + 1}
          </span>
        ))}
      </div>
      <div class="sheet">
        <textarea
          ref={area}
          class="mono"
          aria-label={label}
          aria-describedby={`${id}-help`}
          aria-invalid={problems.length > 0}
          aria-controls={`${id}-list`}
          aria-autocomplete="list"
          aria-activedescendant={offer === undefined ? undefined : `${id}-${chosen}`}
          spellcheck={false}
          autocomplete="off"
          wrap="off"
          rows={Math.min(34, Math.max(14, lines + 1))}
          value={text}
          onInput={(event) => {
            onText(event.currentTarget.value);
            look(false);
          }}
          onKeyDown={onKey}
          onBlur={() => setOffer(undefined)}
          onScroll={(event) => {
            if (gutter.current !== null) gutter.current.scrollTop = event.currentTarget.scrollTop;
            setOffer(undefined);
          }}
        />
        <div
          id={`${id}-list`}
          role="listbox"
          aria-label="What may stand here"
          class="offer"
          hidden={offer === undefined}
          style={offer === undefined ? {} : { top: `${offer.at.top}px`, left: `${offer.at.left}px` }}
        >
          {offer?.choices.map((choice, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the text's
            <div
              id={`${id}-${index}`}
              key={choice.text}
              role="option"
              aria-selected={index === chosen}
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => take(choice)}
            >
              <code>{choice.text}</code> <span class="hint">{choice.description}</span>
            </div>
          ))}
        </div>
      </div>
      <p class="hint" id={`${id}-help`}>
        Ctrl+Space shows what may stand at the caret. Tab leaves the text.
      </p>
    </div>
  );
}

/** Keys of the object, or the values of the key, that begin with what is typed. */
function choicesAt(root: Schema, { path, typed, isValue, present }: Place): readonly Choice[] {
  const schema = schemaAt(root, path);
  const begins = ({ text }: Choice): boolean =>
    text.startsWith(typed) && (isValue || !present.includes(text));
  if (isValue) {
    const values = typeOf(schema) === "boolean" ? ["true", "false"] : (schema.enum ?? []).map(String);
    return values.map((text) => ({ text, description: "" })).filter(begins);
  }
  return Object.entries(schema.properties ?? {})
    .map(([text, one]) => ({ text, description: firstSentence(resolved(one).description ?? "") }))
    .filter(begins)
    .slice(0, MOST_OFFERED);
}

function firstSentence(text: string): string {
  return /^.*?[.:](?= |$)/.exec(text)?.[0] ?? text;
}

/** Below the caret: lines have one height, and letters one width. */
function caretAt(
  element: HTMLTextAreaElement,
  caret: number,
): { readonly top: number; readonly left: number } {
  const lines = element.value.slice(0, caret).split("\n");
  const context = document.createElement("canvas").getContext("2d");
  const style = getComputedStyle(element);
  if (context !== null) context.font = `${style.fontSize} ${style.fontFamily}`;
  const width = context?.measureText(lines.at(-1) ?? "").width ?? 0;
  const padding = Number.parseFloat(style.paddingTop);
  return {
    top: padding + lines.length * LINE_PX - element.scrollTop,
    left: Math.max(0, padding + width - element.scrollLeft - 20),
  };
}
