// Constexpr tables that map names to bits or enumerators, both ways. The parser, the features
// document and error texts read the same table, so they cannot disagree.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace corten {

template <typename T>
struct Named {
  std::string_view name;
  T value;
};

template <typename T, std::size_t N>
class NameTable {
 public:
  constexpr explicit NameTable(const Named<T> (&entries)[N]) {
    for (std::size_t i = 0; i < N; ++i) entries_[i] = entries[i];
  }

  constexpr std::optional<T> find(std::string_view name) const {
    for (const auto& entry : entries_) {
      if (entry.name == name) return entry.value;
    }
    return std::nullopt;
  }
  // The first name of `value`, or "" when it has none.
  constexpr std::string_view name_of(const T& value) const {
    for (const auto& entry : entries_) {
      if (entry.value == value) return entry.name;
    }
    return {};
  }
  // "A, B, C": for error texts.
  std::string names() const {
    std::string all;
    for (const auto& entry : entries_) {
      if (!all.empty()) all += ", ";
      all += entry.name;
    }
    return all;
  }
  constexpr auto begin() const { return entries_.begin(); }
  constexpr auto end() const { return entries_.end(); }
  static constexpr std::size_t size() { return N; }

 private:
  std::array<Named<T>, N> entries_{};
};

template <typename T, std::size_t N>
NameTable(const Named<T> (&)[N]) -> NameTable<T, N>;

}  // namespace corten
