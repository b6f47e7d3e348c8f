"""The PowerShell that runs on a Windows host: fixed text; every value comes as JSON. Not verified on Windows.

The first line of each script names it, for whoever reads a trace. All of them answer with one line of JSON and nothing
else: formatted output fails without a console.
"""

FOLDER = r"C:\ProgramData\Ronde"
"""Where jobs keep their script and result; only SYSTEM and administrators may write there."""

# Reads {"script": ..., "parameters": {...}} from standard input, so that neither a length limit nor quoting stands in
# the way. The JSON is pure ASCII: the console's code page does not matter.
LAUNCHER = """\
$ProgressPreference = 'SilentlyContinue'
$ErrorActionPreference = 'Stop'
$order = [Console]::In.ReadToEnd() | ConvertFrom-Json
try { & ([ScriptBlock]::Create($order.script)) $order.parameters }
catch {
  $code = '0x{0:x8}' -f $_.Exception.HResult
  @{ schema = 1; state = 'error'; error = "$_"; code = $code } | ConvertTo-Json -Compress
}
"""

_COMMON = """\
param($p)
$name = "Ronde-$($p.id)"
$root = $p.folder
$home_ = Join-Path $root $p.id
function Say($value) { $value | ConvertTo-Json -Compress -Depth 8 }
function Read-Result {
  $file = Join-Path $home_ 'result.json'
  if (Test-Path -LiteralPath $file) { return (Get-Content -LiteralPath $file -Raw -Encoding UTF8 | ConvertFrom-Json) }
}
"""

# Starts the job once, whatever happens to the message that ordered it: a task or a result that is there is enough. One
# that was registered and never started (267011; the session ended between the two) is started now.
START = (
    "# ronde: start\n"
    + _COMMON
    + """\
$task = Get-ScheduledTask -TaskName $name -ErrorAction SilentlyContinue
if (Read-Result) { Say @{ schema = 1; state = 'done' }; return }
if ($task) {
  if ($task.State -eq 'Ready' -and ($task | Get-ScheduledTaskInfo).LastTaskResult -eq 267011) {
    Start-ScheduledTask -TaskName $name
  }
  Say @{ schema = 1; state = 'running' }; return
}
if (-not (Test-Path -LiteralPath $root)) {
  New-Item -ItemType Directory -Path $root | Out-Null
}
& icacls.exe $root /inheritance:r /grant:r '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' | Out-Null
if ($LASTEXITCODE -ne 0) { throw 'the folder cannot be closed to users' }
$owner = (Get-Acl -LiteralPath $root).GetOwner([Security.Principal.SecurityIdentifier]).Value
$me = [Security.Principal.WindowsIdentity]::GetCurrent().User.Value
if ($owner -notin 'S-1-5-18', 'S-1-5-32-544', $me) { throw 'the folder belongs to somebody else' }
New-Item -ItemType Directory -Path $home_ -Force | Out-Null
$utf8 = New-Object Text.UTF8Encoding($false)
[IO.File]::WriteAllText((Join-Path $home_ 'job.ps1'), $p.job, $utf8)
[IO.File]::WriteAllText((Join-Path $home_ 'parameters.json'), ($p | ConvertTo-Json -Depth 8), $utf8)
$words = "-NoProfile -NonInteractive -ExecutionPolicy Bypass -File `"$home_\\job.ps1`" `"$home_`""
$action = New-ScheduledTaskAction -Execute 'powershell.exe' -Argument $words
$who = New-ScheduledTaskPrincipal -UserId 'S-1-5-18' -LogonType ServiceAccount -RunLevel Highest
$how = New-ScheduledTaskSettingsSet -ExecutionTimeLimit (New-TimeSpan -Seconds $p.limit) -MultipleInstances IgnoreNew `
  -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
Register-ScheduledTask -TaskName $name -Action $action -Principal $who -Settings $how | Out-Null
Start-ScheduledTask -TaskName $name
Say @{ schema = 1; state = 'started' }
"""
)

# `dead`: the task is there, does not run and has left no result (killed, or the host was restarted meanwhile).
POLL = (
    "# ronde: poll\n"
    + _COMMON
    + """\
$result = Read-Result
if ($result) { Say @{ schema = 1; state = 'done'; result = $result }; return }
$task = Get-ScheduledTask -TaskName $name -ErrorAction SilentlyContinue
if (-not $task) { Say @{ schema = 1; state = 'absent' }; return }
if ($task.State -in 'Running', 'Queued') { Say @{ schema = 1; state = 'running' }; return }
$result = Read-Result
if ($result) { Say @{ schema = 1; state = 'done'; result = $result }; return }
$info = $task | Get-ScheduledTaskInfo
Say @{ schema = 1; state = 'dead'; code = ('0x{0:x8}' -f $info.LastTaskResult) }
"""
)

DELETE = (
    "# ronde: delete\n"
    + _COMMON
    + """\
$task = Get-ScheduledTask -TaskName $name -ErrorAction SilentlyContinue
if ($task -and $task.State -in 'Running', 'Queued') {
  if (-not $p.stop) { Say @{ schema = 1; state = 'running' }; return }
  Stop-ScheduledTask -TaskName $name
}
if ($task) { Unregister-ScheduledTask -TaskName $name -Confirm:$false }
if (Test-Path -LiteralPath $home_) { Remove-Item -LiteralPath $home_ -Recurse -Force }
Say @{ schema = 1; state = 'absent' }
"""
)

# The job itself, as SYSTEM: searches (hidden updates too, so that none is missing in silence), and in mode `install`
# installs exactly the updates (identity and revision) that it was given. The result is written beside its place and
# moved there, so that nobody ever reads half of it.
JOB = r"""# ronde: job
param([string]$home_)
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$p = Get-Content -LiteralPath (Join-Path $home_ 'parameters.json') -Raw -Encoding UTF8 | ConvertFrom-Json
$answer = @{ schema = 1; id = $p.id; mode = $p.mode; updates = @(); results = @(); error = $null }
function Hex($number) { '0x{0:x8}' -f $number }
function Test-Key($path) { Test-Path -LiteralPath "Registry::HKEY_LOCAL_MACHINE\$path" }
try {
  $session = New-Object -ComObject Microsoft.Update.Session
  $session.ClientApplicationID = 'Ronde'
  $found = $session.CreateUpdateSearcher().Search("IsInstalled=0 and Type='Software'")
  $answer.code = $found.ResultCode
  foreach ($u in $found.Updates) {
    $answer.updates += @{
      id = $u.Identity.UpdateID; revision = $u.Identity.RevisionNumber; title = $u.Title
      severity = "$($u.MsrcSeverity)"; hidden = [bool]$u.IsHidden
      kb = @($u.KBArticleIDs | ForEach-Object { "KB$_" }); cves = @($u.CveIDs | ForEach-Object { "$_" })
      categories = @($u.Categories | ForEach-Object { $_.Name }); reboot = [int]$u.InstallationBehavior.RebootBehavior
    }
  }
  if ($p.mode -eq 'install') {
    foreach ($want in $p.updates) {
      $told = @{ id = $want.id; revision = $want.revision; code = $null; hresult = $null }
      $one = $found.Updates | Where-Object {
        $_.Identity.UpdateID -eq $want.id -and $_.Identity.RevisionNumber -eq $want.revision
      }
      if (-not $one) { $answer.results += $told; continue }
      if (-not $one.EulaAccepted) { $one.AcceptEula() }
      $set = New-Object -ComObject Microsoft.Update.UpdateColl
      [void]$set.Add($one)
      $downloader = $session.CreateUpdateDownloader(); $downloader.Updates = $set
      $done = $downloader.Download()
      if ($done.ResultCode -in 2, 3) {
        $installer = $session.CreateUpdateInstaller(); $installer.Updates = $set
        $done = $installer.Install()
      }
      $told.code = [int]$done.ResultCode; $told.hresult = (Hex $done.HResult)
      $answer.results += $told
    }
  }
} catch { $answer.error = @{ message = "$_"; hresult = (Hex $_.Exception.HResult) } }
$cbs = 'SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending'
$wu = 'SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired'
$manager = 'Registry::HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Session Manager'
$renames = (Get-ItemProperty -LiteralPath $manager).PendingFileRenameOperations
$answer.reboot = @{ wu = (Test-Key $wu); cbs = (Test-Key $cbs); renames = @($renames | Where-Object { $_ }).Count }
$os = Get-CimInstance Win32_OperatingSystem
$boot = $os.LastBootUpTime.ToUniversalTime().ToString('s') + 'Z'
$answer.host = @{ version = $os.Version; caption = $os.Caption; boot = $boot }
$answer.ended = (Get-Date).ToUniversalTime().ToString('s') + 'Z'
$half = Join-Path $home_ 'result.half'
[IO.File]::WriteAllText($half, ($answer | ConvertTo-Json -Depth 8), (New-Object Text.UTF8Encoding($false)))
Move-Item -LiteralPath $half -Destination (Join-Path $home_ 'result.json') -Force
"""

_SAY = """\
param($p)
function Say($value) { $value | ConvertTo-Json -Compress -Depth 8 }
function Utc($time) { $time.ToUniversalTime().ToString('s') + 'Z' }
function Try-To($what) { try { ,@(& $what) } catch { $null } }
$os = Get-CimInstance Win32_OperatingSystem
"""

# How the host stands, without a task: nothing of it needs more than an administrator's session. A part that cannot be
# read is null. Failed services: started by themselves at boot, now stopped, with an error; 1077 was never started.
LOOK = (
    "# ronde: look\n"
    + _SAY
    + """\
$seen = @{ boot = (Utc $os.LastBootUpTime); now = (Utc (Get-Date)) }
$seen.services = Try-To {
  Get-CimInstance Win32_Service -Filter "StartMode='Auto' AND State='Stopped'" |
    Where-Object { $_.ExitCode -notin 0, 1077 } | ForEach-Object { $_.Name }
}
$seen.sockets = Try-To {
  Get-NetTCPConnection -State Listen | ForEach-Object { @{ address = "$($_.LocalAddress)"; port = [int]$_.LocalPort } }
}
$seen.drives = Try-To {
  Get-CimInstance Win32_LogicalDisk -Filter 'DriveType=3' | ForEach-Object {
    $place = if ($_.DeviceID -eq $os.SystemDrive) { '%SystemDrive%' } else { $_.DeviceID }
    @{ place = $place; kind = "$($_.FileSystem)"; size = [int64]$_.Size; free = [int64]$_.FreeSpace }
  }
}
Say @{ schema = 1; state = 'seen'; seen = $seen }
"""
)

# The order names the boot it is to end, in seconds since 1970: in any other boot nothing is done. So it may be given
# again after whatever went wrong, and never restarts a host twice. 1115 and 1190: a shutdown is under way already.
REBOOT = (
    "# ronde: reboot\n"
    + _SAY
    + """\
$boot = [int64]($os.LastBootUpTime.ToUniversalTime() - [DateTime]'1970-01-01').TotalSeconds
if ([Math]::Abs($boot - $p.boot) -gt 60) { Say @{ schema = 1; state = 'rebooted' }; return }
& shutdown.exe /r /t 10 /d p:2:17 | Out-Null
if ($LASTEXITCODE -notin 0, 1115, 1190) { throw "shutdown.exe ended with $LASTEXITCODE" }
Say @{ schema = 1; state = 'ordered' }
"""
)

PROBE = (
    "# ronde: probe\n"
    + _SAY
    + """\
$answers = @()
foreach ($one in $p.probes) {
  $why = ''
  try {
    if ($one.kind -eq 'port') {
      $client = New-Object Net.Sockets.TcpClient
      try { if (-not $client.ConnectAsync($one.address, $one.port).Wait(10000)) { $why = 'nothing answers' } }
      finally { $client.Close() }
    } elseif ($one.kind -eq 'http') {
      $code = 0
      try { $code = [int](Invoke-WebRequest -Uri $one.url -UseBasicParsing -TimeoutSec 20).StatusCode }
      catch { if ($_.Exception.Response) { $code = [int]$_.Exception.Response.StatusCode } else { throw } }
      if ($code -notin $one.status) { $why = "it answers $code" }
    } elseif ($one.kind -eq 'unit') {
      $status = (Get-Service -Name $one.name).Status
      if ($status -ne 'Running') { $why = "it is $status" }
    } else {
      $program, $rest = $one.argv
      & $program @rest | Out-Null
      if ($LASTEXITCODE -ne 0) { $why = "exit status $LASTEXITCODE" }
    }
  } catch { $why = "$_" }
  $answers += $why
}
Say @{ schema = 1; state = 'probed'; answers = $answers }
"""
)
