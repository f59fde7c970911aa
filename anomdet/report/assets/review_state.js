// The suspects, the decisions about them, and the browser's memory of these.
const review = {};
(() => {
  review.data = JSON.parse(document.getElementById("data").textContent);
  const key = `anomdet review ${review.data.review}`;
  const allowed = ["accept", "reject", "skip"];
  const decisions = new Map();
  const order = []; // ids in the order of their decisions, for undo

  const known = new Set(review.data.suspects.map((one) => one.id));

  const keep = () => {
    try {
      localStorage.setItem(key, JSON.stringify([...decisions]));
    } catch {
      review.say("This browser keeps nothing for this page: export the decisions before you close it.");
    }
  };

  review.restore = () => {
    try {
      for (const [id, decision] of JSON.parse(localStorage.getItem(key) ?? "[]"))
        if (known.has(id) && allowed.includes(decision)) decisions.set(id, decision);
    } catch {
      review.say("This browser keeps nothing for this page: export the decisions before you close it.");
    }
  };

  review.decisionOf = (id) => decisions.get(id) ?? "";

  review.decide = (id, decision) => {
    decisions.set(id, decision);
    order.push(id);
    keep();
  };

  // Takes back the last decision of this visit; its id, or null.
  review.undo = () => {
    const id = order.pop() ?? null;
    if (id === null) return null;
    decisions.delete(id);
    keep();
    return id;
  };

  review.count = (decision) => [...decisions.values()].filter((one) => one === decision).length;

  const classesOf = (one) => [...one.remove, ...one.add].map((box) => String(box.class_num));

  review.find = ({ kind, classNum, show }) =>
    review.data.suspects.filter(
      (one) =>
        (!kind || one.kind === kind) &&
        (!classNum || classesOf(one).includes(classNum)) &&
        (!show ||
          (show === "normal" && one.hard_normal) ||
          (show === "open" && !review.decisionOf(one.id)) ||
          show === review.decisionOf(one.id)),
    );

  // Normal images on which the detector fires, and each of whose suspects is rejected.
  const confirmedNormals = () => {
    const others = new Set(review.data.suspects.filter((one) => decisions.get(one.id) !== "reject").map((one) => one.image));
    const hard = new Set(review.data.suspects.filter((one) => one.hard_normal).map((one) => one.image));
    return [...hard].filter((image) => !others.has(image));
  };

  review.document = () => ({
    version: 1,
    review: review.data.review,
    decisions: review.data.suspects
      .filter((one) => decisions.has(one.id))
      .map(({ id, image, kind, remove, add }) => ({ id, image, kind, decision: decisions.get(id), remove, add })),
    hard_normals: confirmedNormals(),
  });
})();
