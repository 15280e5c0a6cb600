// Precompiled once for the sources of the rooms: what nearly all of them include. A source still names what it uses (`make lint` compiles
// headers without this, and the dev preset everything).
#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <fmt/format.h>
