import type { CreateCheck } from "../../src/store/bundle/document-check.ts";
import type { Note } from "./document-store.contract.ts";

/** Refuses the document with the id that the settings name. */
export const createCheck: CreateCheck = (settings) => (value) => {
  if ((value as Note).id === settings) throw new Error("It is refused.");
  return value;
};
