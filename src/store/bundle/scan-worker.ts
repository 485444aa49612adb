import { parentPort, workerData } from "node:worker_threads";
import { scanFolder } from "./folder-scan.ts";

// The entry of the worker thread that FolderScanner starts; not for import.
parentPort?.postMessage(scanFolder(String(workerData)));
