// Given to a filer by node --import: its write-ahead log goes into the database file every 40 pages instead of every 16,384, so that a short
// run has checkpoints and a log that starts over.
const { limits } = await import(new URL('../../dist/core/config/limits.js', import.meta.url));
limits.storeWalPages = 40;
