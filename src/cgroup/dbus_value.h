// Values of D-Bus, as far as systemd's properties need them, and their marshalling.
// Source: D-Bus Specification 0.42, "Type System" and "Marshaling (Wire Format)".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <corten/base/result.h>

namespace corten::cgroup::dbus {

// A value that knows its type. Containers hold their elements' values; an empty array has its type
// from the signature alone.
struct Value {
  std::string signature;  // one complete type: "t", "as", "a(st)"
  // Integers and booleans (as their bits), doubles, strings with object paths and signatures, or
  // the elements of an array or structure.
  std::variant<uint64_t, double, std::string, std::vector<Value>> data;

  bool operator==(const Value&) const = default;
};

Value boolean(bool value);
Value uint32(uint32_t value);
Value uint64(uint64_t value);
Value string(std::string value);
// element: the signature of one of them.
Value array(std::string_view element, std::vector<Value> values);
Value structure(std::vector<Value> values);
Value bytes(const std::vector<uint8_t>& values);

// A property of a unit: the D-Bus structure (sv).
using Property = std::pair<std::string, Value>;

// Reads a value in the text form of GVariant, which is what annotations hold: true, 5, uint64 5,
// 'text', ['a', 'b'], [('a', uint64 1)], @as []. An integer without a type is an int32.
// Pure. Errors: InvalidSpec.
// Source: GLib's "GVariant Text Format".
Result<Value> parse_value(std::string_view text);

// Builds the body of a message, little endian. Alignment counts from the start of the body.
class Writer {
 public:
  void u8(uint8_t value);
  void u32(uint32_t value);
  void u64(uint64_t value);
  void text(std::string_view value);       // string or object path
  void signature(std::string_view value);  // up to 255 bytes
  void value(const Value& value);
  void variant(const Value& value);
  // a(sv)
  void properties(const std::vector<Property>& properties);
  // Zero bytes up to the next multiple: 1, 2, 4 or 8.
  void align(std::size_t boundary);

  // Writes the elements with `fill`; boundary: the alignment of one.
  template <typename F>
  void array(std::size_t boundary, F&& fill) {
    align(4);
    const std::size_t length_at = bytes_.size();
    u32(0);
    align(boundary);
    const std::size_t begin = bytes_.size();
    fill();
    patch(length_at, static_cast<uint32_t>(bytes_.size() - begin));
  }

  const std::string& bytes() const { return bytes_; }

 private:
  void integer(uint64_t value, std::size_t size);
  void patch(std::size_t at, uint32_t value);

  std::string bytes_;
};

// Reads what a Writer writes. Reading past the end, or a length that cannot be, makes it bad: every
// later answer is 0 or empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes, std::size_t position = 0)
      : bytes_(bytes), position_(position) {}

  uint8_t u8();
  uint32_t u32();
  std::string_view text();       // string or object path
  std::string_view signature();  // also: the type of the variant that follows
  void align(std::size_t boundary);
  std::size_t position() const { return position_; }
  bool good() const { return good_; }

 private:
  std::string_view take(std::size_t size);

  std::string_view bytes_;
  std::size_t position_ = 0;
  bool good_ = true;
};

}  // namespace corten::cgroup::dbus
