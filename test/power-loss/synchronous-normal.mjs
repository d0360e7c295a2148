// Given to a filer by node --import: SQLite keeps a commit without waiting for the disk, and says it did wait. What the test is to notice.
import sqlite3 from 'sqlite3';

const { prototype } = sqlite3.Database;
const { exec, prepare } = prototype;
prototype.exec = function (sql, ...rest) {
  return exec.call(this, sql.replace('synchronous = FULL', 'synchronous = NORMAL'), ...rest);
};
prototype.prepare = function (sql, ...rest) {
  return prepare.call(this, sql.replace('synchronous FROM pragma_synchronous', '2 AS synchronous'), ...rest);
};
