import type { Row } from "../row.ts";
import { addedLatency } from "./added-latency.ts";
import { apply } from "./apply.ts";
import { applyLarge } from "./apply-large.ts";
import { churn } from "./churn.ts";
import { counting } from "./counting.ts";
import { create, createBurst } from "./create.ts";
import { dns } from "./dns.ts";
import { flatProxied } from "./flat-proxied.ts";
import { gateways } from "./gateways.ts";
import { list } from "./list.ts";
import { memory } from "./memory.ts";
import { move } from "./move.ts";
import { orders } from "./orders.ts";
import { passthrough } from "./passthrough.ts";
import { policiesCost } from "./policies-cost.ts";
import { policiesCreate } from "./policies-create.ts";
import { policiesMany } from "./policies-many.ts";
import { proxied, proxiedPatterns } from "./proxied.ts";
import { proxiedField } from "./proxied-field.ts";
import { restart } from "./restart.ts";
import { scrape } from "./scrape.ts";
import { start } from "./start.ts";
import { tlsChurn } from "./tls-churn.ts";
import { tlsCreate } from "./tls-create.ts";
import { tlsRate } from "./tls-rate.ts";
import { upgrade } from "./upgrade.ts";

/** In the order in which they run on a site: what needs it untouched comes first. */
export const rows: readonly Row[] = [
  start,
  proxied,
  addedLatency,
  memory,
  flatProxied,
  proxiedField,
  dns,
  list,
  scrape,
  create,
  createBurst,
  churn,
  move,
  apply,
  passthrough,
  restart,
  proxiedPatterns,
  tlsCreate,
  tlsRate,
  tlsChurn,
  upgrade,
  orders,
  policiesMany,
  policiesCreate,
  policiesCost,
  counting,
  applyLarge,
  gateways,
];
