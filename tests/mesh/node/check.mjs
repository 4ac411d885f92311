// Checks objects (a JSON list on standard input) against the definitions that registry packages carry. Prints a line for each
// object: its kind, and `fits`, `unknown` where no package has the kind, or what is wrong.
import { readFileSync } from "node:fs";

const packages = ["kubernetes-models", "@kubernetes-models/istio"];
const absent = ["ERR_MODULE_NOT_FOUND", "ERR_PACKAGE_PATH_NOT_EXPORTED"];

async function classOf({ apiVersion, kind }) {
  for (const name of packages) {
    try {
      return (await import(`${name}/${apiVersion}/${kind}`))[kind];
    } catch (error) {
      if (!absent.includes(error.code)) throw error;
    }
  }
}

for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const Kind = await classOf(object);
  let words = "unknown";
  if (Kind) {
    try {
      new Kind(object).validate();
      words = "fits";
    } catch (error) {
      words = error.message.replaceAll("\n", " ");
    }
  }
  console.log(`${object.kind}: ${words}`);
}
