// What is wrong with a sweep file that types cannot say.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/sweep.hpp"

#include "sim/json/json.hpp"
#include "sim/sweep/range_points.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace viosim {
namespace {

void check_seed_is_ours(const JsonPointer& pointer, const Where& where) {
  if (pointer.text == "/seed")
    where.reject("read \"/seed\"; expected another place: \"replicates\" gives runs their seeds");
}

// "4 KiB" and "4096 B", 1 and 1.0.
bool same_amount(const Value& a, const Value& b) {
  if ((a.if_text() == nullptr) != (b.if_text() == nullptr)) return false;
  const std::optional<RangeValue> one = RangeValue::parse(a);
  const std::optional<RangeValue> other = RangeValue::parse(b);
  if (!one || !other) return false;
  return one->number() == other->number() &&
         (a.if_text() == nullptr || one->kind() == other->kind());
}

bool draws(DesignKind design) {
  return design == DesignKind::random || design == DesignKind::latin_hypercube;
}

class SomeAmountType final : public JsonType {
 public:
  void read(const Value& value, const Where& where, void* into) const override {
    Amount amount(1);
    any_.read(value, where, &amount);
    if (amount.value() == 0) return reject_type(value, where, expected());
    static_cast<Amount&>(*static_cast<SomeAmount*>(into)) = amount;
  }
  Value write(const void* from) const override {
    const Amount& amount = *static_cast<const SomeAmount*>(from);
    return any_.write(&amount);
  }
  std::string expected() const override { return "an amount above 0 such as \"10 ns\" or \"2 %\""; }
  std::string noun() const override { return any_.noun(); }
  Value::Object schema(const void* from) const override {
    Value::Object schema;
    for (auto& [key, value] : any_.schema(from)) {
      if (key == "minimum") {
        add(schema, "exclusiveMinimum", value);
      } else if (key == "pattern") {
        add(schema, key, "^(?!0+(\\.0+)? *[^0-9. ])" + value.if_text()->substr(1));
      } else {
        add(schema, key, value);
      }
    }
    return schema;
  }

 private:
  const JsonType& any_ = Amount::json_type();
};

}  // namespace

const JsonType& SomeAmount::json_type() {
  static const SomeAmountType type;
  return type;
}

void RangeConfig::check(const Where& where) const {
  using Kind = RangeValue::Kind;
  const auto number = [](Kind kind) { return kind == Kind::whole || kind == Kind::real; };
  const auto alike = [&](Kind a, Kind b) { return a == b || (number(a) && number(b)); };
  if (!alike(from.kind(), to.kind())) {
    (where / "to")
        .reject(fmt::format("read {}; expected what \"from\" is: {} is another kind",
                            to_text(to.value()), to_text(from.value())));
    return;
  }
  if (scale == Scale::logarithmic && (from.number() <= 0 || to.number() <= 0))
    (where / "scale").reject("read \"logarithmic\"; expected ends above 0, or \"linear\"");
  if (!multiple_of) return;
  if (!alike(multiple_of->kind(), from.kind()) || multiple_of->number() <= 0) {
    (where / "multiple_of")
        .reject(fmt::format("read {}; expected what \"from\" is, above 0",
                            to_text(multiple_of->value())));
    return;
  }
  // More of them no double tells apart.
  const double largest = std::max(std::abs(from.number()), std::abs(to.number()));
  if (largest / multiple_of->number() > RangeValue::most) {
    (where / "multiple_of")
        .reject(
            fmt::format("read {}; expected one of which the ends are at most 2^53 times as much",
                        to_text(multiple_of->value())));
    return;
  }
  const auto steps = steps_of(*this);
  if (steps->first <= steps->last) return;
  (where / "multiple_of")
      .reject(fmt::format("read {}; expected one with a multiple from {} to {}",
                          to_text(multiple_of->value()), to_text(from.value()),
                          to_text(to.value())));
}

void ValuesAxis::check(const Where& where) const {
  check_seed_is_ours(pointer, where / "pointer");
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::find(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(i), values[i]) !=
        values.begin() + static_cast<std::ptrdiff_t>(i))
      (where / "values" / i).reject(fmt::format("read {} again", summary(values[i])));
    const auto same =
        std::find_if(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(i),
                     [&](const Value& other) { return same_amount(other, values[i]); });
    if (same == values.begin() + static_cast<std::ptrdiff_t>(i) || *same == values[i]) continue;
    (where / "values" / i)
        .reject(fmt::format("read {}; expected another value: {} is the same", summary(values[i]),
                            summary(*same)));
  }
}

void VariantsAxis::check(const Where& where) const {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < variants.size(); ++i) {
    if (!names.insert(variants[i].name).second)
      (where / "variants" / i / "name")
          .reject(fmt::format("read {} again", quote_short(variants[i].name)));
    for (const Setting& setting : variants[i].set.all)
      check_seed_is_ours(setting.pointer, where / "variants" / i / "set" / setting.pointer.text);
  }
}

void StopRule::check(const Where& where) const {
  if (maximum < minimum)
    (where / "maximum")
        .reject(fmt::format("read {}; expected at least \"minimum\", {}", maximum, minimum));
}

const std::string& name_of(const AxisConfig& axis) {
  return std::visit([](const auto& one) -> const std::string& { return one.name; },
                    static_cast<const AxisConfig::Variant&>(axis));
}

std::vector<JsonPointer> pointers_of(const AxisConfig& axis) {
  if (const auto* values = std::get_if<ValuesAxis>(&axis)) return {values->pointer};
  if (const auto* range = std::get_if<RangeAxis>(&axis)) return {range->pointer};
  std::vector<JsonPointer> all;
  for (const viosim::Variant& variant : std::get<VariantsAxis>(axis).variants) {
    for (const Setting& setting : variant.set.all) {
      if (std::find(all.begin(), all.end(), setting.pointer) == all.end())
        all.push_back(setting.pointer);
    }
  }
  return all;
}

namespace {

// An axis may change something in what the sweep sets, but not undo it.
void check_undone(const Sweep& sweep, const AxisConfig& axis, const Where& where) {
  if (!sweep.set) return;
  for (const JsonPointer& pointer : pointers_of(axis)) {
    for (const Setting& setting : sweep.set->all) {
      if (!pointer.meets(setting.pointer) || pointer.text.size() > setting.pointer.text.size())
        continue;
      where.reject(fmt::format("sets {} and so undoes what /set puts at {}",
                               quote_short(pointer.text), quote_short(setting.pointer.text)));
    }
  }
}

void check_axes(const Sweep& sweep, const Where& where) {
  for (std::size_t a = 0; a < sweep.axes.size(); ++a) {
    const AxisConfig& axis = sweep.axes[a];
    if (const auto* range = std::get_if<RangeAxis>(&axis)) {
      check_seed_is_ours(range->pointer, where / a / "pointer");
      if (!range->range.count && !draws(sweep.design))
        (where / a / "range")
            .reject(fmt::format("lacks \"count\", which a {} design needs", name_of(sweep.design)));
    }
    check_undone(sweep, axis, where / a);
    for (std::size_t b = 0; b < a; ++b) {
      if (name_of(axis) == name_of(sweep.axes[b]))
        (where / a / "name")
            .reject(fmt::format("read {} again; expected a name of its own",
                                quote_short(name_of(axis))));
      for (const JsonPointer& pointer : pointers_of(axis)) {
        for (const JsonPointer& other : pointers_of(sweep.axes[b])) {
          if (!pointer.meets(other)) continue;
          (where / a).reject(fmt::format(
              "sets {}, and axis \"{}\" sets {}: expected places of "
              "which none is in another",
              quote_short(pointer.text), name_of(sweep.axes[b]), quote_short(other.text)));
        }
      }
    }
  }
}

}  // namespace

void Sweep::check(const Where& where) const {
  if (set) {
    for (const Setting& setting : set->all)
      check_seed_is_ours(setting.pointer, where / "set" / setting.pointer.text);
  }
  check_axes(*this, where / "axes");
  if (draws(design) && !points)
    where.reject(fmt::format("lacks \"points\", which a {} design needs", viosim::name_of(design)));
  if (!draws(design) && points)
    (where / "points")
        .reject(fmt::format("read {}; expected it with a random or latin-hypercube design only; "
                            "this is {}",
                            *points, viosim::name_of(design)));
  if (stop && replicates)
    (where / "replicates")
        .reject(fmt::format("read {}; expected either \"replicates\" or \"stop\"", *replicates));
}

Sweep load_sweep(const std::filesystem::path& file) {
  return read_document<Sweep>(read_json_file(file), file.string());
}

template const KeyedType& reflect::object<Sweep>();

Value sweep_schema() { return schema<Sweep>("viosim sweep"); }

}  // namespace viosim
