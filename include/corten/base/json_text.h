// Writing JSON text. Reading is the JSON library's business (spec layer); what corten writes is
// small and flat, and log lines have to be written on paths where nothing may be thrown.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

namespace corten {

// Appends `text` as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// Builds one JSON document; commas and nesting are taken care of, balance is asserted.
// Precondition: inside an object every value is preceded by key().
class JsonWriter {
 public:
  enum class Style { Compact, Indented };
  explicit JsonWriter(Style style = Style::Compact) : style_(style) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool flag);
  JsonWriter& null();
  // Text that is a JSON value already.
  JsonWriter& raw(std::string_view json);
  template <std::integral T>
  requires(!std::same_as<T, bool>) JsonWriter& value(T number) {
    return raw(std::to_string(number));
  }

  template <typename T>
  JsonWriter& field(std::string_view name, const T& field_value) {
    return key(name).value(field_value);
  }
  // An array of strings.
  template <typename Range>
  JsonWriter& strings(std::string_view name, const Range& range) {
    key(name).begin_array();
    for (const auto& item : range) value(std::string_view(item));
    return end_array();
  }

  const std::string& text() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  void before_value();
  void open(char bracket);
  void close(char bracket);
  void newline();

  std::string out_;
  std::vector<bool> has_items_;  // one a nesting level
  bool after_key_ = false;
  Style style_;
};

}  // namespace corten
