// SPDX-License-Identifier: Apache-2.0
//
// The HTML report: four accuracies as bars, loss curve, histogram of the learned weights, and the images in question.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "examples/common/charts.h"
#include "examples/common/html.h"
#include "examples/common/images.h"
#include "examples/hyper_cleaning/output.h"

namespace examples {
namespace {

double weight_of(float phi) { return 1 / (1 + std::exp(-static_cast<double>(phi))); }

std::string card(const std::string &heading, const std::string &text, const std::string &content) {
  return "<section class=\"card\"><h2>" + heading + "</h2><p class=\"soft\">" + text + "</p>" + content +
         "</section>\n";
}

std::string tile(const std::string &value, const std::string &name) {
  return "<div class=\"tile\"><b>" + value + "</b><span>" + name + "</span></div>";
}

struct Page {
  const Options &options;
  const TrainTest &data;
  const Problem &problem;
  const std::vector<Run> &runs;
  std::vector<std::string> names;

  const Run &run() const { return runs.front(); }

  std::string header() const {
    const Options &o = options;
    std::string out = "<h1>Hyper-cleaning of " + escaped(data_name(o.data)) + "</h1><p class=\"lead soft\">" +
                      thousands(problem.train.count()) + " training rows, " + (number(100 * o.noise, 1) + " %") +
                      " of which carry a label drawn from another class, and " + thousands(problem.validation.count()) +
                      " clean validation rows. Every training row has a weight sigmoid(&phi;<sub>i</sub>); the weights "
                      "follow the hypergradient, the "
                      "derivative of the validation loss through all " +
                      thousands(o.steps) +
                      " steps of training. The right labels are used to judge, never to learn.</p>";
    if (run().interrupted) {
      out += "<section class=\"card notice\"><h2>Interrupted</h2><p>The run was stopped after " +
             std::to_string(run().losses.size()) + " of " + std::to_string(o.hypergradients) +
             " hypergradients; this page shows what was reached.</p></section>";
    }
    return out;
  }

  std::string tiles() const {
    const Run &r = run();
    std::string out = "<div class=\"tiles\">";
    out += tile(percent(r.models[kCleaned].accuracy), "test accuracy, cleaned");
    const double gain = r.gain();
    out += tile(std::isnan(gain) ? "-" : (gain >= 0 ? "+" : "&minus;") + number(std::abs(gain), 1),
                "points above the validation rows alone");
    out += tile(ratio(r.detection.f1), "F1 of finding the wrong labels");
    out += tile(fixed(r.hypergradients_per_second(), 2), "hypergradients per second");
    return out + "</div>\n";
  }

  std::string bars() const {
    const std::string notes[] = {number(100 * options.noise, 1) + " %" + " wrong labels", "no training row",
                                 "kept and validation rows", "labels known to be right"};
    const int colours[] = {1, 2, 3, 0};
    BarChart chart{"Test accuracies of four models", {}};
    for (size_t k = 0; k < kFinalModels; ++k)
      chart.bars.push_back({run().models[k].name, notes[k], run().models[k].accuracy, colours[k]});
    return card("Test accuracy",
                "The same model, trained " + thousands(options.final_steps) +
                    " steps from the same start on four sets of rows; " + thousands(problem.test.count()) +
                    " test rows.",
                svg(chart));
  }

  std::string curves() const {
    return "<div class=\"pair\">" +
           card("Validation loss",
                "What the hypergradients reduce: after " + thousands(options.steps) +
                    " inner steps with the weights at that point.",
                svg(LineChart{"Validation loss at each hypergradient", "hypergradient", "validation loss", run().losses,
                              1, 0})) +
           card("Finding the wrong labels",
                "F1 of the rule &ldquo;wrong if the weight is below 1/2&rdquo; after each step.",
                svg(LineChart{"F1 after each step", "hypergradient", "F1", run().f1, 1, 3})) +
           "</div>";
  }

  std::string histogram() const {
    Series right{"rows with the right label", {}}, wrong{"rows with a wrong label", {}};
    for (size_t i = 0; i < run().phi.size(); ++i)
      (problem.wrong[i] ? wrong : right).values.push_back(weight_of(run().phi[i]));
    const Detection &d = run().detection;
    return card("Learned weights",
                "All weights began at 1/2. Rows below it count as wrong: precision " + ratio(d.precision) +
                    ", recall " + ratio(d.recall) + ", F1 " + ratio(d.f1) + "; " + thousands(run().kept_right) +
                    " of the " + thousands(run().kept) + " rows kept are right.",
                svg(Histogram{"Histogram of the learned weights", "weight sigmoid(phi)", "rows", {right, wrong}, 20}));
  }

  // One training row: its picture, or its number where the rows are no images.
  std::string figure(size_t i) const {
    const auto name = [&](int32_t label) { return escaped(names[static_cast<size_t>(label)]); };
    const std::string verdict = problem.wrong[i] ? "<span class=\"bad\">truly " + name(problem.truth[i]) + "</span>"
                                                 : "<span class=\"good\">label is right</span>";
    const std::string caption = "given " + name(problem.train.labels[i]) + "<br>" + verdict +
                                "<br><span class=\"soft\">weight " + fixed(weight_of(run().phi[i]), 4) + "</span>";
    const int64_t source = problem.train.source[i];
    std::string picture = "<p>row " + std::to_string(source) + "</p>";
    if (data.train.images()) {
      picture = "<img alt=\"training row " + std::to_string(source) + "\" src=\"" +
                png_data_uri(data.train.bytes.data() + source * data.train.features, data.train.image_width,
                             data.train.image_height) +
                "\">";
    }
    return "<figure>" + picture + "<figcaption>" + caption + "</figcaption></figure>";
  }

  // The first `count` rows of the given kind in the order of their weights.
  std::string gallery(bool of_wrong, bool of_right, bool lowest, size_t count) const {
    std::vector<size_t> order(run().phi.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::erase_if(order, [&](size_t i) { return problem.wrong[i] ? !of_wrong : !of_right; });
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return lowest ? run().phi[a] < run().phi[b] : run().phi[a] > run().phi[b];
    });
    order.resize(std::min(order.size(), count));
    std::string out = "<div class=\"gallery\">";
    for (const size_t i : order) out += figure(i);
    return out + "</div>";
  }

  std::string galleries() const {
    if (run().losses.empty()) return "";
    return card("Least trusted", "The training rows with the lowest weights.", gallery(true, true, true, 32)) +
           card("Wrongly distrusted",
                "Rows with the right label and the lowest weights: the worst mistakes of one kind.",
                gallery(false, true, true, 16)) +
           card("Wrongly trusted",
                "Rows with a wrong label and the highest weights: the worst mistakes of the other kind.",
                gallery(true, false, false, 16));
  }

  std::string all_seeds() const {
    if (runs.size() < 2) return "";
    std::string out = "<div class=\"scroll\"><table><tr><th>seed</th>";
    for (const FinalModel &m : run().models) out += "<th>" + m.name + "</th>";
    out += "<th>precision</th><th>recall</th><th>F1</th><th>seconds</th></tr>";
    for (const Run &r : runs) {
      out += "<tr><td>" + std::to_string(r.seed) + "</td>";
      for (const FinalModel &m : r.models) out += "<td>" + percent(m.accuracy) + "</td>";
      out += "<td>" + ratio(r.detection.precision) + "</td><td>" + ratio(r.detection.recall) + "</td><td>" +
             ratio(r.detection.f1) + "</td><td>" + fixed(r.total_seconds, 1) + "</td></tr>";
    }
    return card("All seeds",
                "Other rows, other wrong labels. The rest of this page shows seed " + std::to_string(run().seed) + ".",
                out + "</table></div>");
  }

  std::string settings() const {
    const Options &o = options;
    std::string model = "softmax regression, " + thousands(problem.parameters()) + " parameters";
    if (!o.hidden.empty()) {
      model = "network ";
      for (size_t k = 0; k < problem.widths.size(); ++k) {
        if (k > 0) model += '-';
        model += std::to_string(problem.widths[k]);
      }
      model += " (" + o.activation + "), " + thousands(problem.parameters()) + " parameters";
    }
    const Run &r = run();
    const auto row = [](const std::string &name, const std::string &value) {
      return "<tr><td>" + name + "</td><td class=\"text\">" + value + "</td></tr>";
    };
    return card(
        "Settings and times", "",
        "<div class=\"scroll\"><table>" + row("data", "<code>" + escaped(data.train_path) + "</code>") +
            row("model", model) +
            row("inner", thousands(o.steps) + " steps of gradient descent, rate " + number(o.rate, 6)) +
            row("outer", thousands(o.hypergradients) + " hypergradients by reverse accumulation, Adam with rate " +
                             number(o.outer_rate, 6) + ", epsilon " + number(o.epsilon(), 9)) +
            row("seed", std::to_string(r.seed)) +
            row("seconds", fixed(r.hypergradient_seconds, 2) + " for the hypergradients, " + fixed(r.final_seconds, 2) +
                               " for the four final models, " + fixed(r.total_seconds, 2) + " in all") +
            row("plan", "<code>" + escaped(r.plan) + "</code>") + "</table></div>");
  }
};

}  // namespace

std::string html_report(const Options &options, const TrainTest &data, const Problem &problem,
                        const std::vector<Run> &runs) {
  const Page page{options, data, problem, runs, class_names(data, options.data)};
  const std::string body =
      page.header() + page.tiles() + "<div class=\"pair\">" + page.bars() + page.histogram() + "</div>" +
      page.curves() + page.galleries() + page.all_seeds() + page.settings() +
      "<footer>Written by the example <code>hyper_cleaning</code> of the library bilevel.</footer>";
  return html_page("Hyper-cleaning of " + data_name(options.data), body);
}

}  // namespace examples
