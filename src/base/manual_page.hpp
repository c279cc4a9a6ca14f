// The manual page rivulet(1) as roff: `rivulet -helpMan`. Options come from the settings table, the
// rest is written by hand here. Pure.
#pragma once

#include <string>
#include <string_view>

namespace rivulet {

std::string manual_page();

// One line of text for roff: nothing in it is taken for a request or an escape; what stands between
// backticks is bold.
std::string roff_text(std::string_view text);

} // namespace rivulet
