(function () {
var fns = window.dashAgGridFunctions = window.dashAgGridFunctions || {};
fns.onepayTheme = function (theme) {
  return theme.withParams({
    backgroundColor: 'var(--card)', foregroundColor: 'var(--ink)', textColor: 'var(--ink)',
    accentColor: 'var(--accent)',
    headerBackgroundColor: 'var(--card)', headerTextColor: 'var(--ink-2)', headerFontWeight: 600, headerFontSize: 12,
    borderColor: 'var(--line)', rowBorder: '1px solid var(--raised)', headerRowBorder: '1px solid var(--line)',
    columnBorder: false, headerColumnResizeHandleColor: 'transparent', wrapperBorder: false,
    wrapperBorderRadius: 0, rowHoverColor: 'var(--page)',
    selectedRowBackgroundColor: 'var(--page)', rangeSelectionBorderColor: 'transparent', cellTextColor: 'var(--ink)',
    fontFamily: 'inherit', fontSize: 13, spacing: 4, rowHeight: 30, headerHeight: 30, cellHorizontalPadding: 8,
    browserColorScheme: 'inherit', focusShadow: 'none', checkboxCheckedBackgroundColor: 'var(--accent)',
    checkboxCheckedShapeColor: 'var(--on-accent)', checkboxUncheckedBorderColor: 'var(--edge)', checkboxBorderRadius: 3,
    iconColor: 'var(--ink-2)', modalOverlayBackgroundColor: 'transparent'
  });
};
fns.sevClass = function (p) { return p.value ? 'sev sev-' + String(p.value).toLowerCase() : ''; };
fns.stateClass = function (p) {
  return p.value ? 'state state-' + String(p.value).toLowerCase().replace(/[_ ]/g, '-') : '';
};
})();
