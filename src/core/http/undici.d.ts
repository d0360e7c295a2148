/** The part of undici that is used, by itself: its index loads fetch, WebSocket and caches too, a fourth of the time a command takes to start. */
declare module 'undici/lib/dispatcher/pool.js' {
  import { Pool } from 'undici';
  export default Pool;
}
