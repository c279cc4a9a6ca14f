// Precompiled: what nearly every translation unit of the network folders includes.
#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/log.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>
