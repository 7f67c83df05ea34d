-- What scripts see: Redis's choice of Lua's libraries, and tables that cannot be changed.
--
-- Lua 5.1 knows no read-only tables. So what scripts get in place of a shared table is an empty one, which finds what it
-- is asked for in the real one and refuses to be written to; and those functions that would go around that are wrapped.
-- The wrappers use nothing but their upvalues, so that they cost little and nobody can change what they mean.
--
-- `native` holds the functions that are written in Rust. What they raise is an opaque value, so that Lua's own frames
-- stay as they are; wherever an error can be caught it is turned into what scripts know (`told`).
local native = ...
local error, type, pcall, xpcall, next, select, tostring, unpack = error, type, pcall, xpcall, next, select, tostring, unpack
local setmetatable, getmetatable, rawset, rawget, rawequal = setmetatable, getmetatable, rawset, rawget, rawequal
local load, loadstring, tonumber, floor, huge = load, loadstring, tonumber, math.floor, math.huge
local sub, string_byte, string_rep, string_metatable = string.sub, string.byte, string.rep, getmetatable("")
local table_concat, table_insert, table_remove, table_sort = table.concat, table.insert, table.remove, table.sort

local READ_ONLY = "Attempt to modify a readonly table"

-- ---- what C would do in one go --------------------------------------------------------------------------------------

-- Elements or bytes from which on it is worth while not to leave them to C.
local MANY = 1000
-- As many as C may go through in one go, and the length of the pieces of a long text.
local MUCH, PIECE_BYTES = native.MUCH, native.PIECE_BYTES

-- ---- read-only tables ---------------------------------------------------------------------------------------------

-- From the empty table that scripts see to the real one.
local real_of = setmetatable({}, { __mode = "k" })

local function refuse_write()
  error(READ_ONLY, 2)
end

-- An empty table that stands for `real` and cannot be written to.
local function read_only(real)
  local seen = setmetatable({}, { __index = real, __newindex = refuse_write, __metatable = false })
  real_of[seen] = real
  return seen
end

local function check_writable(t)
  if real_of[t] then
    error(READ_ONLY, 0)
  end
end

-- The text of an argument of the wrong type, as Lua's own functions say it.
local function bad_argument(place, name, expected, count, value)
  local got = count < place and "no value" or type(value)
  return "bad argument #" .. place .. " to '" .. name .. "' (" .. expected .. " expected, got " .. got .. ")"
end

-- ---- errors of functions written in Rust ---------------------------------------------------------------------------

local function told(e)
  if type(e) == "userdata" then
    return native.told(e)
  end
  return e
end

-- What a protected call gives, with an error that scripts know.
local function caught(ok, ...)
  if ok then
    return true, ...
  end
  return false, told((...))
end

local function library(functions)
  local made = {}
  for name, f in next, functions do
    made[name] = f
  end
  return made
end

-- ---- Lua's own functions, made safe -------------------------------------------------------------------------------

local G = {}
for _, name in next, {
  "tostring", "assert", "tonumber", "rawequal", "error", "ipairs", "select", "type", "unpack", "gcinfo",
  "_VERSION",
} do
  G[name] = _G[name]
end

function G.rawset(...)
  check_writable((...))
  return rawset(...)
end

function G.rawget(t, ...)
  return rawget(real_of[t] or t, ...)
end

function G.setmetatable(t, ...)
  check_writable(t)
  return setmetatable(t, ...)
end

function G.getmetatable(v)
  if type(v) == "string" then
    return string_metatable.__seen
  end
  return getmetatable(v) or nil
end

function G.next(t, ...)
  return next(real_of[t] or t, ...)
end

function G.pairs(...)
  local t = ...
  if type(t) ~= "table" then
    error(bad_argument(1, "pairs", "table", select("#", ...), t), 2)
  end
  return next, real_of[t] and native.copy(real_of[t]) or t, nil
end

-- A failed call of Redis raises a table; pcall gives its text, as it always has.
local function unwrap(ok, ...)
  if not ok then
    local e = told((...))
    if type(e) == "table" then
      local text = e.err
      if type(text) == "string" or type(text) == "number" then
        return false, text
      end
    end
    return false, e
  end
  return true, ...
end

function G.pcall(...)
  return unwrap(pcall(...))
end

-- The handler is called when the error has come up: nobody can tell, and it can be interrupted like everything else.
local function handled(handler, ok, ...)
  if ok then
    return true, ...
  end
  return false, select(2, caught(pcall(handler, told((...)))))
end

function G.xpcall(...)
  local f, handler = ...
  if select("#", ...) < 2 then
    error("bad argument #2 to 'xpcall' (value expected)", 2)
  end
  return handled(handler, pcall(f))
end

function G.loadstring(...)
  local text, name = ...
  if type(text) == "number" then
    text = tostring(text)
  elseif type(text) ~= "string" then
    error(bad_argument(1, "loadstring", "string", select("#", ...), text), 2)
  end
  if string_byte(text) == 27 then
    return nil, native.chunk_name(name or text) .. ":1: unexpected symbol near '\\27'"
  elseif #text <= PIECE_BYTES then
    return loadstring(text, name)
  end
  local at = 1 - PIECE_BYTES
  local f, problem = load(function()
    native.work(MUCH)
    at = at + PIECE_BYTES
    return sub(text, at, at + PIECE_BYTES - 1)
  end, name or text)
  return f, told(problem)
end

function G.load(...)
  local f, name = ...
  if type(f) ~= "function" then
    error(bad_argument(1, "load", "function", select("#", ...), f), 2)
  end
  local pieces = {}
  while true do
    local piece = f()
    if piece == nil or piece == "" then
      break
    elseif type(piece) ~= "string" then
      return nil, "reader function must return a string"
    end
    pieces[#pieces + 1] = piece
  end
  return G.loadstring(table_concat(pieces), name or "=(load)")
end

local collectgarbage = collectgarbage

-- Kilobytes of garbage that are worth one step, which is to be a short one.
local STEP_KB = 64

-- Steps until one ends a cycle of the collector, or so much has been done; says whether a cycle has ended.
local function collect(kilobytes)
  for _ = 1, kilobytes, STEP_KB do
    native.work(MUCH)
    if collectgarbage("step", STEP_KB) then
      return true
    end
  end
  return false
end

function G.collectgarbage(option, ...)
  -- The collector is everybody's: it can be asked and helped, not stopped.
  if option == "stop" or option == "restart" then
    return 0
  elseif option == "setpause" or option == "setstepmul" then
    return 200
  elseif option == nil or option == "collect" then
    -- The first cycle may have begun before the last of the garbage was made.
    collect(huge)
    collect(huge)
    return 0
  elseif option == "step" and type((...)) == "number" and ... > STEP_KB then
    return collect(...)
  end
  return collectgarbage(option, ...)
end

local coroutine_library = {}
for name, f in next, coroutine do
  coroutine_library[name] = f
end
local resume = coroutine.resume
function coroutine_library.resume(...)
  return caught(resume(...))
end

-- ---- table --------------------------------------------------------------------------------------------------------

local table_library = {}
for name, f in next, table do
  table_library[name] = f
end

-- Whether elements are to be moved one by one, from a place of the table on.
local function is_long_way(place, last)
  return last > MUCH and type(place) == "number" and place >= 1 and place <= last and floor(place) == place
end

function table_library.insert(...)
  local t, place = ...
  check_writable(t)
  local count = select("#", ...)
  if type(t) ~= "table" then
    error(bad_argument(1, "insert", "table", count, t), 2)
  elseif count == 3 then
    if type(place) ~= "number" and not (type(place) == "string" and place + 0) then
      error(bad_argument(2, "insert", "number", count, place), 2)
    end
    local last = #t
    if is_long_way(place, last) then
      for at = last, place, -1 do
        rawset(t, at + 1, rawget(t, at))
      end
      rawset(t, place, (select(3, ...)))
      return
    elseif last > MANY then
      native.work(last)
    end
  elseif count ~= 2 then
    error("wrong number of arguments to 'insert'", 2)
  end
  return table_insert(...)
end

function table_library.remove(...)
  local t, place = ...
  check_writable(t)
  if type(t) ~= "table" then
    error(bad_argument(1, "remove", "table", select("#", ...), t), 2)
  end
  local last = #t
  if is_long_way(place, last) then
    local removed = rawget(t, place)
    for at = place, last - 1 do
      rawset(t, at, rawget(t, at + 1))
    end
    rawset(t, last, nil)
    return removed
  elseif place and last > MANY then
    native.work(last)
  end
  return table_remove(...)
end

local function less(a, b)
  return a < b
end

function table_library.sort(...)
  local t, before = ...
  check_writable(t)
  if type(t) ~= "table" then
    error(bad_argument(1, "sort", "table", select("#", ...), t), 2)
  elseif before ~= nil and type(before) ~= "function" then
    error(bad_argument(2, "sort", "function", 2, before), 2)
  end
  -- A comparison in Lua can be interrupted.
  local ok, problem = pcall(table_sort, t, before or #t > MANY and less or nil)
  if not ok then
    error(problem, type(problem) == "string" and 2 or 0)
  end
end

-- ---- string -------------------------------------------------------------------------------------------------------

local string_library = {}
for name, f in next, string do
  string_library[name] = f
end
for name, f in next, native.pattern do
  string_library[name] = f
end

-- C copies byte by byte, and cannot be interrupted.
local function repeat_much(text, count)
  local result = ""
  while true do
    native.work(#text)
    if count % 2 == 1 then
      result = result .. text
    end
    count = floor(count / 2)
    if count == 0 then
      return result
    end
    text = text .. text
  end
end

function string_library.rep(...)
  local text, count = ...
  if type(text) ~= "string" and type(text) ~= "number" then
    error(bad_argument(1, "rep", "string", select("#", ...), text), 2)
  end
  local number = tonumber(count)
  if not number then
    error(bad_argument(2, "rep", "number", select("#", ...), count), 2)
  end
  text = text .. ""
  -- C would count to a billion to repeat nothing.
  if text == "" then
    return ""
  end
  -- As C makes an `int` of it.
  number = floor(number) % 2 ^ 32
  if number < 2 ^ 31 and #text * number > MANY then
    return repeat_much(text, number)
  end
  return string_rep(text, count)
end

for name, of_long in next, native.long do
  local f = string[name]
  string_library[name] = function(...)
    local text = ...
    if type(text) ~= "string" and type(text) ~= "number" then
      error(bad_argument(1, name, "string", select("#", ...), text), 2)
    elseif type(text) == "string" and #text > PIECE_BYTES then
      return of_long(text)
    end
    return f(text)
  end
end

string_library.dump = function()
  error("unable to dump given function", 2)
end

-- The next match from `at` on: its first and its last place, and what it captures.
local next_match = native.next_match

local function gmatch(...)
  local text, pattern = native.two_strings(...)
  local at = 1
  local function step(first, last, ...)
    if not first then
      at = nil
      return nil
    end
    at = last >= first and last + 1 or first + 1
    return ...
  end
  return function()
    if at then
      return step(next_match(text, pattern, at, false))
    end
  end
end
string_library.gmatch = gmatch
string_library.gfind = gmatch

function string_library.gsub(...)
  local text, pattern, by, most = ...
  local kind = type(by)
  if kind ~= "function" and kind ~= "table" then
    return native.gsub(...)
  end
  text, pattern, most = native.gsub_arguments(...)
  local anchored = string_byte(pattern) == 94
  local parts, at, count = {}, 1, 0
  local function step(first, last, ...)
    if not first then
      return false
    end
    count = count + 1
    local new
    if kind == "table" then
      new = by[(...)]
    else
      new = by(...)
    end
    local old = sub(text, first, last)
    if new == nil or new == false then
      new = old
    elseif type(new) ~= "string" and type(new) ~= "number" then
      error("invalid replacement value (a " .. type(new) .. ")", 3)
    end
    parts[#parts + 1] = sub(text, at, first - 1)
    parts[#parts + 1] = new
    if last >= first then
      at = last + 1
    else
      -- Nothing was matched: what stands here stays, and the search goes on behind it.
      parts[#parts + 1] = sub(text, first, first)
      at = first + 1
    end
    return true
  end
  while count < most and at <= #text + 1 and step(next_match(text, pattern, at, true)) and not anchored do
  end
  parts[#parts + 1] = sub(text, at, -1)
  return table_concat(parts), count
end

-- ---- math ---------------------------------------------------------------------------------------------------------

local math_library = {}
for name, f in next, math do
  math_library[name] = f
end
for name, f in next, native.math do
  math_library[name] = f
end

-- ---- redis --------------------------------------------------------------------------------------------------------

local redis = library(native.redis)

function redis.breakpoint()
  return false
end

function redis.debug()
end

function redis.replicate_commands()
  return true
end

-- ---- errors of scripts --------------------------------------------------------------------------------------------

-- Says where an error comes from: the innermost function that is the script's own.
local function explain(e)
  e = told(e)
  if type(e) ~= "table" then
    e = { err = "ERR " .. tostring(e) }
  end
  if not real_of[e] then
    local source, line = native.place()
    if source then
      rawset(e, "source", source)
      rawset(e, "line", line)
    end
  end
  return e
end

local function run(f)
  return xpcall(f, explain)
end

local function run_function(f, keys, args)
  return xpcall(function()
    return f(keys, args)
  end, explain)
end

-- ---- the environments ---------------------------------------------------------------------------------------------

local function nonexistent(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end

local strict = { __index = nonexistent }

for name, real in next, {
  string = string_library,
  table = table_library,
  math = math_library,
  coroutine = coroutine_library,
  bit = library(native.bit),
  cjson = library(native.cjson),
  cmsgpack = library(native.cmsgpack),
  struct = library(native.struct),
  os = { clock = os.clock },
  redis = redis,
} do
  G[name] = read_only(real)
end
-- Methods of strings find the functions without a detour. What scripts see of it cannot be changed.
string_metatable.__index = string_library
string_metatable.__seen = read_only({ __index = G.string })

-- Of scripts: KEYS and ARGV are put into G.
local script_environment = read_only(G)
setmetatable(G, strict)
G._G = script_environment

-- Of functions: while their library is loaded they have little of `redis`, and nothing else.
local load_api = {}
for _, name in next, {
  "log", "LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING", "REDIS_VERSION", "REDIS_VERSION_NUM",
} do
  load_api[name] = redis[name]
end
load_api.register_function = native.register_function
setmetatable(load_api, strict)

local function_globals = {}
for name, value in next, G do
  function_globals[name] = value
end
local load_globals = { redis = read_only(load_api) }
setmetatable(function_globals, strict)
setmetatable(load_globals, strict)

local function_metatable = { __index = function_globals, __newindex = refuse_write, __metatable = false }
local function_environment = setmetatable({}, function_metatable)
real_of[function_environment] = function_globals
function_globals._G = function_environment

-- Runs the code of a library; it has the little that it may use meanwhile.
local function load_library(f)
  function_metatable.__index = load_globals
  real_of[function_environment] = load_globals
  local ok, problem = caught(pcall(f))
  function_metatable.__index = function_globals
  real_of[function_environment] = function_globals
  return ok, problem
end

return {
  globals = G,
  script_environment = script_environment,
  function_environment = function_environment,
  run = run,
  run_function = run_function,
  load_library = load_library,
}
