#include "dbus_value.h"

#include <cstring>

namespace corten::cgroup::dbus {

namespace {

constexpr std::size_t kMaxText = std::size_t{1} << 20U;

// "Marshaling": the size of a basic type is its alignment; a length goes first where there is one.
std::size_t alignment_of(char type) {
  switch (type) {
    case 'y':
    case 'g':
    case 'v':
      return 1;
    case 'n':
    case 'q':
      return 2;
    case 'x':
    case 't':
    case 'd':
    case '(':
      return 8;
    default:  // b, i, u, s, o, a
      return 4;
  }
}

}  // namespace

Value boolean(bool value) { return {"b", uint64_t{value ? 1U : 0U}}; }
Value uint32(uint32_t value) { return {"u", uint64_t{value}}; }
Value uint64(uint64_t value) { return {"t", value}; }
Value string(std::string value) { return {"s", std::move(value)}; }

Value array(std::string_view element, std::vector<Value> values) {
  return {"a" + std::string(element), std::move(values)};
}

Value structure(std::vector<Value> values) {
  std::string signature = "(";
  for (const auto& one : values) signature += one.signature;
  return {signature + ")", std::move(values)};
}

Value bytes(const std::vector<uint8_t>& values) {
  std::vector<Value> elements;
  elements.reserve(values.size());
  for (const uint8_t one : values) elements.push_back({"y", uint64_t{one}});
  return array("y", std::move(elements));
}

// --- writing -------------------------------------------------------------------------------------

void Writer::align(std::size_t boundary) {
  while (bytes_.size() % boundary != 0) bytes_ += '\0';
}

void Writer::integer(uint64_t value, std::size_t size) {
  align(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes_ += static_cast<char>(value & 0xffU);
    value >>= 8U;
  }
}

void Writer::u8(uint8_t value) { integer(value, 1); }
void Writer::u32(uint32_t value) { integer(value, 4); }
void Writer::u64(uint64_t value) { integer(value, 8); }

void Writer::text(std::string_view value) {
  u32(static_cast<uint32_t>(value.size()));
  bytes_ += value;
  bytes_ += '\0';
}

void Writer::signature(std::string_view value) {
  u8(static_cast<uint8_t>(value.size()));
  bytes_ += value;
  bytes_ += '\0';
}

void Writer::patch(std::size_t at, uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) {
    bytes_[at + i] = static_cast<char>(value & 0xffU);
    value >>= 8U;
  }
}

void Writer::value(const Value& value) {
  const char type = value.signature.front();
  if (const auto* number = std::get_if<uint64_t>(&value.data)) {
    integer(*number, alignment_of(type));
  } else if (const auto* real = std::get_if<double>(&value.data)) {
    uint64_t bits = 0;
    static_assert(sizeof bits == sizeof *real);
    std::memcpy(&bits, real, sizeof bits);
    u64(bits);
  } else if (const auto* string = std::get_if<std::string>(&value.data)) {
    if (type == 'g') {
      signature(*string);
    } else {
      text(*string);
    }
  } else {
    const auto& elements = std::get<std::vector<Value>>(value.data);
    const auto all = [&] {
      for (const auto& element : elements) this->value(element);
    };
    if (type == 'a') {
      array(alignment_of(value.signature[1]), all);
    } else {
      align(8);
      all();
    }
  }
}

void Writer::variant(const Value& value) {
  signature(value.signature);
  this->value(value);
}

void Writer::properties(const std::vector<Property>& properties) {
  array(8, [&] {
    for (const auto& [name, value] : properties) {
      align(8);
      text(name);
      variant(value);
    }
  });
}

// --- reading -------------------------------------------------------------------------------------

std::string_view Reader::take(std::size_t size) {
  if (!good_ || size > bytes_.size() - position_) {
    good_ = false;
    return {};
  }
  const std::string_view taken = bytes_.substr(position_, size);
  position_ += size;
  return taken;
}

void Reader::align(std::size_t boundary) {
  (void)take((boundary - position_ % boundary) % boundary);
}

uint8_t Reader::u8() {
  const std::string_view taken = take(1);
  return taken.empty() ? uint8_t{0} : static_cast<uint8_t>(taken.front());
}

uint32_t Reader::u32() {
  align(4);
  const std::string_view taken = take(4);
  uint32_t value = 0;
  for (std::size_t i = taken.size(); i > 0; --i)
    value = (value << 8U) | static_cast<uint8_t>(taken[i - 1]);
  return value;
}

std::string_view Reader::text() {
  const uint32_t size = u32();
  if (size > kMaxText) good_ = false;
  const std::string_view taken = take(size);
  (void)take(1);
  return taken;
}

std::string_view Reader::signature() {
  const uint8_t size = u8();
  const std::string_view taken = take(size);
  (void)take(1);
  return taken;
}

}  // namespace corten::cgroup::dbus
