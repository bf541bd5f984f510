# Completion of caulk for bash.
_caulk() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local commands="leaks snapshot top tree why diff doctor"
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "$commands --help --version" -- "$word"))
        return
    fi
    case $before in
    --by | -b) COMPREPLY=($(compgen -W "retained bytes count" -- "$word")); return ;;
    --json | --output | -o | --types) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --seconds | --snapshots | --limit | --depth | -s | -n | -l | -d) return ;;
    esac
    if [[ $word == -* ]]; then
        local options="--json --help"
        [[ ${COMP_WORDS[1]} == doctor ]] || options+=" --pause --types"
        case ${COMP_WORDS[1]} in
        leaks) options+=" --seconds --snapshots" ;;
        snapshot) options+=" --output --values" ;;
        top) options+=" --by --limit" ;;
        tree) options+=" --depth --limit" ;;
        why | diff) options+=" --limit" ;;
        esac
        COMPREPLY=($(compgen -W "$options" -- "$word"))
        return
    fi
    COMPREPLY=($(compgen -W "$(pgrep -d ' ' -f python 2>/dev/null)" -- "$word") $(compgen -f -X '!*.caulk' -- "$word"))
}
complete -o filenames -F _caulk caulk
