import type { CreateCheck } from "../store/bundle/document-check.ts";
import { parseInstance } from "./instance-reader.ts";

/** `parseInstance` for the process that drafts bundles. It has no settings. */
export const createCheck: CreateCheck = () => parseInstance;
