// Counts again at other score thresholds, exactly as `anomdet evaluate metrics.score_threshold=...` does, and shows the
// boxes of the images from there on.
(() => {
  const data = JSON.parse(document.getElementById("rethreshold").textContent);
  const at = (id) => document.getElementById(id);
  const numClasses = data.classes.length;
  const numDefective = data.defective.reduce((sum, bad) => sum + bad, 0);
  const numGood = data.defective.length - numDefective;
  const least = Math.ceil(data.floor * 1000) / 1000;
  let thresholds = [...data.thresholds];

  // Rows come by image and falling score: each object goes to the first box that asks for it.
  const count = () => {
    const table = Array.from({ length: numClasses + 1 }, () => new Array(numClasses + 1).fill(0));
    const rejected = Uint8Array.from(data.unlike_normal ?? data.defective.map(() => 0));
    const freeObject = new Uint8Array(data.gt_label.length).fill(1);
    const freeBox = new Uint8Array(data.score.length);
    let shown = 0;
    let right = 0;
    for (let row = 0; row < data.score.length; row++) {
      const label = data.label[row];
      if (data.score[row] < thresholds[label]) continue;
      shown++;
      rejected[data.part[row]] = 1;
      if (data.found[row] < 0) {
        freeBox[row] = 1;
        continue;
      }
      right++;
      freeObject[data.found[row]] = 0;
      table[label][label]++;
    }
    for (const [row, object] of data.confusable) {
      if (!freeBox[row] || !freeObject[object]) continue;
      freeBox[row] = freeObject[object] = 0;
      table[data.gt_label[object]][data.label[row]]++;
    }
    freeBox.forEach((free, row) => (table[numClasses][data.label[row]] += free));
    freeObject.forEach((free, object) => (table[data.gt_label[object]][numClasses] += free));
    let escapes = 0;
    let overkill = 0;
    data.defective.forEach((bad, part) => {
      if (bad && !rejected[part]) escapes++;
      if (!bad && rejected[part]) overkill++;
    });
    const objects = data.gt_label.length;
    return {
      table,
      escapes,
      overkill,
      precision: shown ? right / shown : null,
      recall: objects ? right / objects : null,
      f1: shown + objects ? (2 * right) / (shown + objects) : null,
    };
  };

  const put = (id, value, text) => {
    at(id).textContent = text;
    at(id).dataset.value = value;
  };
  const share = (number, whole) => (whole ? `${number} of ${whole} (${((100 * number) / whole).toFixed(1)} %)` : "–");
  const ratio = (value) => (value === null ? "–" : value.toFixed(3));

  const showMatrix = (table) => {
    const rows = [...document.querySelectorAll("table.matrix tbody tr")];
    rows.forEach((row, i) => {
      const sum = table[i].reduce((total, number) => total + number, 0);
      [...row.querySelectorAll("td")].forEach((cell, j) => {
        if (cell.classList.contains("corner")) return;
        const number = table[i][j];
        cell.textContent = number;
        cell.classList.toggle("zero", number === 0);
        cell.style.setProperty("--shade", sum ? Math.sqrt(number / sum).toFixed(3) : 0);
        const truth = i === numClasses ? "false alarms" : data.classes[i];
        const what = j === numClasses ? "are missed" : `are reported as ${data.classes[j]}`;
        cell.title = `${number} of ${sum} ${truth} ${what}`;
      });
    });
  };

  const showBoxes = () => {
    for (const box of document.querySelectorAll("g[data-score]")) {
      const counts = Number(box.dataset.score) >= thresholds[Number(box.dataset.label)];
      box.classList.toggle("on", counts);
      box.classList.toggle("off", !counts);
    }
  };

  // All digits only where fewer do not give the number again.
  const digits = (value) => (Number(value.toFixed(3)) === value ? String(Number(value.toFixed(3))) : String(value));
  const setting = () => {
    if (thresholds.every((value) => value === thresholds[0])) return `metrics.score_threshold=${digits(thresholds[0])}`;
    const each = data.class_nums.map((number, i) => `${number}: ${digits(thresholds[i])}`);
    return `'metrics.score_threshold={${each.join(", ")}}'`;
  };

  const show = () => {
    const now = count();
    put("now-escapes", now.escapes, share(now.escapes, numDefective));
    put("now-overkill", now.overkill, share(now.overkill, numGood));
    for (const key of ["precision", "recall", "f1"]) put(`now-${key}`, now[key], ratio(now[key]));
    showMatrix(now.table);
    showBoxes();
    at("setting").textContent = setting();
    const one = thresholds.every((value) => value === thresholds[0]);
    at("slider-number").value = one ? digits(thresholds[0]) : "";
    at("slider-number").placeholder = one ? "" : "by class";
    const middle = [...thresholds].sort((a, b) => a - b)[Math.floor(numClasses / 2)];
    at("slider").value = one ? thresholds[0] : middle;
    thresholds.forEach((value, i) => {
      if (!at(`slider-${i}`)) return;
      at(`slider-${i}`).value = value;
      at(`slider-value-${i}`).textContent = value.toFixed(3);
    });
    at("slider-reset").disabled = thresholds.every((value, i) => value === data.thresholds[i]);
  };

  const all = (value) => {
    if (!Number.isFinite(value) || value < least || value > 1) return;
    thresholds = thresholds.map(() => value);
    show();
  };

  at("slider").min = least;
  at("slider").addEventListener("input", (event) => all(Number(event.target.value)));
  at("slider-number").min = least;
  at("slider-number").addEventListener("change", (event) => all(event.target.valueAsNumber));
  for (const input of document.querySelectorAll(".class-sliders input")) {
    input.min = least;
    input.addEventListener("input", () => {
      thresholds[Number(input.dataset.class)] = Number(input.value);
      show();
    });
  }
  at("slider-reset").addEventListener("click", () => {
    thresholds = [...data.thresholds];
    show();
  });
  at("copy-setting").addEventListener("click", async () => {
    const text = at("setting").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // A page that is opened from a file may not write there: the text is selected, to be copied by hand.
      getSelection().selectAllChildren(at("setting"));
      return;
    }
    at("copy-setting").textContent = "Copied";
    setTimeout(() => (at("copy-setting").textContent = "Copy"), 1500);
  });
  show();
})();
